package quern.models.part;

import java.util.List;
import java.util.Set;
import quern.models.HeadSettings;
import quern.models.Task;
import quern.nn.Segment;

/** How stacks of blocks make a model. */
public interface StructurePart extends ComposedPart {
    /** The key of a recipe. */
    String KIND = "structure";

    /** What such a model can be for. */
    Set<Task> tasks();

    /**
     * Refuses one of these tasks where other parts make it impossible.
     *
     * @throws IllegalArgumentException with the key and the reason
     */
    default void checkTask(Task task, Composition c) {}

    /** The stacks, in the order in which they are visited. */
    List<Stack> stacks(Composition c);

    /** The segments up to the last {@code hidden_states}. */
    List<Segment> body(Assembly assembly);

    /** The segments after the body. */
    List<Segment> head(Assembly assembly, HeadSettings settings);
}
