package quern.data;

import quern.data.internal.SentenceEnds;

/**
 * Sentence permutation, BART's fourth noise (Lewis et al. 2020, arXiv:1910.13461, section 2.2): the sentences of a row are put
 * into another order, and the decoder is to write them in theirs. Rows are those of {@link TextInfilling}.
 *
 * <p>A sentence ends behind a token whose text ends in a full stop, an exclamation or question mark, or holds a line's end,
 * also in the scripts that write these otherwise; the paper cuts at full stops.
 */
public final class SentencePermutation extends Denoising {
    /** No settings. */
    public record Config() {}

    @Override
    public String id() {
        return "sentence_permutation";
    }

    @Override
    public String summary() {
        return "put the sentences of a text in order (BART)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    Noise noise(Input input, Record config) {
        SentenceEnds ends = new SentenceEnds(input.tokenizer());
        return (text, key) -> {
            int[] starts = ends.starts(text);
            if (starts.length < 3) {
                return text;
            }
            Permutation order = new Permutation(starts.length - 1, key);
            int[] mixed = new int[text.length];
            int at = 0;
            for (int i = 0; i + 1 < starts.length; i++) {
                int sentence = (int) order.at(i);
                int length = starts[sentence + 1] - starts[sentence];
                System.arraycopy(text, starts[sentence], mixed, at, length);
                at += length;
            }
            return mixed;
        };
    }
}
