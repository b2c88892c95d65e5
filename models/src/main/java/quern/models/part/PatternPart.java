package quern.models.part;

import quern.nn.Mask;
import quern.nn.SelfAttention;

/** Which of the keys that a stack lets it see the attention of a block really looks at. */
public interface PatternPart extends ComposedPart {
    /** The key of a recipe. */
    String KIND = "attention_pattern";

    /** The mask of a block with this pattern, from that of its stack. */
    Mask mask(Mask full, Composition c);

    /** The attention of a block, which reads the mask called {@code name}. */
    SelfAttention attention(SelfAttention attention, String name, BlockSite site);
}
