package quern.models.part;

import quern.nn.AttentionImplementation;

/**
 * How attention is computed; what it gives is the same. A recipe's {@code model} block of any family may choose one, for a run:
 * it is no setting of the model and stands in no {@code config.json}.
 */
public interface ImplementationPart {
    /** The key of a recipe. */
    String KIND = "attn_implementation";

    /** The way. */
    AttentionImplementation implementation();
}
