package quern.models.part;

import java.util.Optional;
import quern.nn.Branch;
import quern.nn.Segment;

/** What blocks carry from one stretch of a text to the next. */
public interface RecurrencePart extends ComposedPart {
    /** The key of a recipe. */
    String KIND = "recurrence";

    /** The attention of a block with its memory; empty where nothing is carried. */
    default Optional<Branch> branch(BlockSite site) {
        return Optional.empty();
    }

    /** What works out what a stack's blocks see of their memories, in place of masks; empty where nothing is carried. */
    default Optional<Segment> memories(Stack stack, Assembly assembly) {
        return Optional.empty();
    }

    /** What a row of whole documents in training has to be a multiple of tokens of. */
    default int passMultiple() {
        return 1;
    }

    /** Whether texts of any length are read and written. */
    default boolean isEndless() {
        return false;
    }
}
