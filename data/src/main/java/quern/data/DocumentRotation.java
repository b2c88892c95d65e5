package quern.data;

import java.util.Arrays;
import quern.data.internal.Mix;

/**
 * Document rotation, BART's fifth noise (Lewis et al. 2020, arXiv:1910.13461, section 2.2): a token is drawn, any of them as
 * likely, and the row is turned so that it begins there; the decoder is to write it from its true beginning. Rows are those
 * of {@link TextInfilling}.
 */
public final class DocumentRotation extends Denoising {
    /** No settings. */
    public record Config() {}

    @Override
    public String id() {
        return "document_rotation";
    }

    @Override
    public String summary() {
        return "find the beginning of a text that was turned (BART)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    Noise noise(Input input, Record config) {
        return (text, key) -> {
            int first = text.length == 0 ? 0 : (int) Mix.below(key, 0, text.length);
            int[] turned = Arrays.copyOfRange(text, first, first + text.length);
            System.arraycopy(text, 0, turned, text.length - first, first);
            return turned;
        };
    }
}
