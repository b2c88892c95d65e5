package quern.recipe;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Lets a component be written as a lone scalar, text unless {@link #number()} says otherwise. On a {@link Block} or a
 * record, {@code foo} stands for {@code {key: foo}} with the key named here. On a list, where the key stays empty, {@code
 * foo} stands for {@code [foo]}; on a list of blocks with a key, {@code foo} stands for {@code [{key: foo}]}, a lone block
 * for a list of it, and each item may be written as a scalar.
 */
@Target(ElementType.RECORD_COMPONENT)
@Retention(RetentionPolicy.RUNTIME)
public @interface Shorthand {
    /** The key that receives the scalar; empty for lists of scalars. */
    String value() default "";

    /** Whether the scalar is a number; it is text otherwise. On lists it says nothing. */
    boolean number() default false;
}
