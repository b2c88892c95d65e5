package quern.recipe;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * The value of a record component whose key a recipe leaves out. For text, paths and enums it is the text itself; for
 * everything else it is YAML: a scalar ({@code 1e-3}), a flow list ({@code [a, b]}) or a flow block ({@code {}}).
 */
@Target(ElementType.RECORD_COMPONENT)
@Retention(RetentionPolicy.RUNTIME)
public @interface Default {
    /** The text of the default. */
    String value();
}
