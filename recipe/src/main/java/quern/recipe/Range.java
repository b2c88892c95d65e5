package quern.recipe;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * The numbers that a component accepts, both ends included unless said otherwise. On a list, an optional or a map it
 * holds for every number inside.
 */
@Target(ElementType.RECORD_COMPONENT)
@Retention(RetentionPolicy.RUNTIME)
public @interface Range {
    /** The smallest number. */
    double min() default Double.NEGATIVE_INFINITY;

    /** The largest number. */
    double max() default Double.POSITIVE_INFINITY;

    /** Whether {@link #min()} itself is refused. */
    boolean minExclusive() default false;

    /** Whether {@link #max()} itself is refused. */
    boolean maxExclusive() default false;
}
