package quern.models.part;

import quern.nn.Branch;
import quern.nn.SelfAttention;

/** What blocks carry from one stretch of a text to the next. */
public interface RecurrencePart extends ComposedPart {
    /** The key of a recipe. */
    String KIND = "recurrence";

    /** The attention of a block, with its memory. */
    Branch attention(SelfAttention attention, BlockSite site);
}
