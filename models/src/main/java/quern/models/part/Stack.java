package quern.models.part;

import quern.nn.DecoderPositions;
import quern.nn.Mask;

/**
 * Blocks one behind another: all of a model, or one of its two sides.
 *
 * @param prefix what its parameters' names start with: {@code model.}, {@code model.encoder.}
 * @param layers blocks
 * @param mask what its attention sees where the pattern is full
 * @param tokens what it reads, by name in the flow
 * @param cross whether its blocks attend to an encoder
 * @param output the name of the norm after the last block
 */
public record Stack(String prefix, int layers, Mask mask, String tokens, boolean cross, String output) {
    private static final String IDS = "input_ids";

    /** The only one of a model. */
    public static Stack single(int layers, Mask mask) {
        return new Stack("model.", layers, mask, IDS, false, "model.norm");
    }

    /** An encoder beside a decoder. */
    public static Stack encoder(int layers) {
        return new Stack("model.encoder.", layers, Mask.bidirectional(), IDS, false, "model.encoder.norm");
    }

    /** A decoder beside an encoder. */
    public static Stack decoder(int layers) {
        return new Stack("model.decoder.", layers, Mask.causal(), DecoderPositions.INPUT, true, "model.decoder.norm");
    }

    /** Whether queries see later keys. */
    public boolean seesAhead() {
        return mask.ahead() || mask.prefix();
    }

    /** Whether it reads what the model is given, which may be padded. */
    public boolean readsInput() {
        return tokens.equals(IDS);
    }

    /** The name of a block. */
    public String block(int layer) {
        return prefix + "layers." + layer;
    }
}
