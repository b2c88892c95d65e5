package quern.recipe;

/**
 * Learning rates that fall from layer to layer. With L blocks, the embeddings are layer 0, block i (from 1) is layer i,
 * and what follows the last block is layer L+1. The rate of layer l is {@code rate · factor^distance}, where the distance
 * is {@code L + 1 - l} toward the input and {@code l} toward the output. A parameter that several layers share belongs to
 * the first. What stands between two blocks, such as the norm behind an encoder, belongs to the block before it.
 *
 * @param factor what a layer's rate is multiplied by for the next one toward the end that is named
 * @param toward where rates are lowest
 */
public record LayerLrDecay(
        @Doc("A layer's rate over that of its neighbour farther from the end named by toward.")
        @Range(min = 0, minExclusive = true, max = 1)
        double factor,

        @Doc("Where rates are lowest: at the input, as is usual, or at the output.") @Default("input")
        Toward toward) {
    /** An end of the network. */
    public enum Toward {
        /** The embeddings. */
        INPUT,
        /** The head. */
        OUTPUT
    }
}
