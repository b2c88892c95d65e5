package quern.models.part;

import java.util.List;
import quern.nn.Segment;

/** Which blocks of a stack are the same. */
public interface SharingPart extends ComposedPart {
    /** The key of a recipe. */
    String KIND = "weight_sharing";

    /** The visits of a stack, in order. */
    List<Segment> blocks(Stack stack, Assembly assembly);

    /** Segments after a head, which add to its loss. */
    default List<Segment> losses() {
        return List.of();
    }
}
