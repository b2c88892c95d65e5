package quern.models.part;

import quern.nn.Branch;

/** The attention of a block, or what mixes tokens in its place. */
public interface AttentionPart extends ComposedPart {
    /** The key of a recipe. */
    String KIND = "attention";

    /**
     * The heads of keys and values.
     *
     * @param heads query heads
     * @param written {@code num_key_value_heads}; {@code null} where a recipe has none
     */
    int keyValueHeads(int heads, Integer written);

    /** The width of what turns where positions are rotary: of a head, or of the part of it that knows the position. */
    default int rotaryHeadWidth(Composition c) {
        return c.headWidth();
    }

    /** The width over which a query and a key are multiplied. */
    default int scoredWidth(Composition c) {
        return c.headWidth();
    }

    /** Whether {@code head_dim} says how wide its heads are. */
    default boolean takesHeadDim() {
        return true;
    }

    /** The branch; parameters under {@code BLOCK.self_attn}. */
    Branch branch(BlockSite site);
}
