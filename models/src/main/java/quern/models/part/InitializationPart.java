package quern.models.part;

import quern.models.Initialization;

/** What new weights are drawn from, by the part that a matrix plays. Norm weights are 1 and biases 0 in all of them. */
public interface InitializationPart extends ComposedPart {
    /** The key of a recipe. */
    String KIND = "initialization";

    /** What a matrix plays. */
    enum Role {
        /** Token vectors. */
        TOKENS,
        /** Position vectors. */
        POSITIONS,
        /** Learned biases or vectors by distance. */
        DISTANCES,
        /** The map of queries. */
        QUERY,
        /** The map of keys. */
        KEY,
        /** The map of values. */
        VALUE,
        /** The map of a branch's first stage onto its inner width: gate, up. */
        INNER,
        /** The last map of a branch, onto the residual stream. */
        RESIDUAL,
        /** A head's output. */
        HEAD,
        /** Any other map, such as a router. */
        OTHER
    }

    /**
     * The numbers of a new matrix.
     *
     * @param in features that go in; of a table its width
     * @param out features that come out; of a table its rows
     */
    Initialization matrix(Role role, long in, long out, Composition c);

    /** The factor on attention scores. */
    default double attentionScale(int headWidth, Composition c) {
        return 1 / Math.sqrt(headWidth);
    }

    /** The factor on logits. */
    default double logitFactor(Composition c) {
        return 1;
    }

    /** The factor on an optimizer's rate for a matrix of this role. */
    default double learningRateFactor(Role role, Composition c) {
        return 1;
    }

    /** For rules that take no {@code initializer_range}. */
    static void refuseInitializerRange(String id, Composition c) {
        if (c.initializerRange().isPresent()) {
            throw new IllegalArgumentException(
                    "initializer_range: has no effect on initialization: %s, whose rule gives the spread; leave it out"
                            .formatted(id));
        }
    }
}
