package quern.recipe;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Says that a text component holds the id of a {@link Technique}, so that the JSON schema can offer the known ids and
 * check the settings that go with each.
 */
@Target(ElementType.RECORD_COMPONENT)
@Retention(RetentionPolicy.RUNTIME)
public @interface TechniqueId {
    /** The kind of technique. */
    String kind();

    /** The key beside this one whose block holds the technique's settings. */
    String settings();
}
