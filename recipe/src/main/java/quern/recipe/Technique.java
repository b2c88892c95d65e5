package quern.recipe;

import java.util.Set;

/**
 * A part that a recipe can switch on, found by {@link java.util.ServiceLoader}. Rooms extend this interface with their
 * factory method ({@code OptimizerTechnique}, {@code ScheduleTechnique}…) and list the providers in {@code
 * META-INF/services/quern.recipe.Technique}. The pair (kind, id) is unique. A provider has a public constructor
 * without arguments and loads no native library, so listing and describing techniques stays fast.
 */
public interface Technique {
    /** The kind as recipes name it: {@code optim}, {@code lr_scheduler_type}, {@code objective}, {@code model}… */
    String kind();

    /** What a recipe writes to choose this technique. */
    String id();

    /** Other names that a recipe may write for it, such as another tool's; they are not listed as techniques. */
    default Set<String> otherIds() {
        return Set.of();
    }

    /** One line for {@code quern list}. */
    String summary();

    /** The record that holds this technique's own settings; its compact constructor validates them. */
    Class<? extends Record> config();
}
