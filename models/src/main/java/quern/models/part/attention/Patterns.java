package quern.models.part.attention;

import quern.models.part.Composition;
import quern.models.part.PatternPart;
import quern.nn.Mask;
import quern.nn.SparsePattern;

/** What the sparse patterns have in common. */
final class Patterns {
    private Patterns() {}

    /** The pattern on the sides that a stack lets queries see. */
    static Mask sparse(Mask full, SparsePattern pattern) {
        return full.ahead() ? Mask.bidirectional(pattern) : Mask.causal(pattern);
    }

    /** Refuses a pattern that leaves nothing out of the longest text. */
    static void checkWithin(String id, String what, long keys, Composition c) {
        if (keys > c.maxPositionEmbeddings()) {
            throw new IllegalArgumentException(
                    "%s: %s: %s: %d keys are more than max_position_embeddings %d, so that nothing is left out; lower it, or choose full"
                            .formatted(PatternPart.KIND, id, what, keys, c.maxPositionEmbeddings()));
        }
    }

    /** A prefix sees itself whole, which a sparse pattern does not let it. */
    static void checkStacks(String id, Composition c) {
        if (c.parts().structure().stacks(c).stream()
                .anyMatch(stack -> stack.mask().prefix())) {
            throw new IllegalArgumentException(
                    "%s: %s: the tokens of a prefix see each other whole, and the pattern hides some; choose full, or another structure"
                            .formatted(PatternPart.KIND, id));
        }
    }
}
