package quern.models.part;

import quern.nn.SelfAttention;

/** How attention is computed; what it gives is the same. */
public interface ImplementationPart extends ComposedPart {
    /** The key of a recipe. */
    String KIND = "attn_implementation";

    /** The attention of a block, computed in this way. */
    SelfAttention attention(SelfAttention attention, BlockSite site);
}
