package quern.data;

import java.util.List;
import quern.data.internal.FramedText;
import quern.data.internal.RewrittenRows;
import quern.recipe.QuernException;

/**
 * BART's kind of objective (Lewis et al. 2020, arXiv:1910.13461): the encoder reads a spoilt text and the decoder is to write
 * the whole one. Rows begin and end with the tokenizer's {@code cls_token} and {@code sep_token} where it has both, otherwise
 * they end with its end-of-text token; the noise never sees these. With {@code packing} rows are windows over the
 * concatenated documents, otherwise documents.
 */
abstract class Denoising implements Objective {
    /** What spoils a text; a function of the text and the key alone. The result is no longer than the text. */
    @FunctionalInterface
    interface Noise {
        /** The spoilt text; {@code key} is the seed of what is drawn. */
        int[] of(int[] text, long key);
    }

    /** The noise of these settings; bad input where the tokenizer lacks what it needs. */
    abstract Noise noise(Input input, Record config);

    @Override
    public String task() {
        return "seq2seq_lm";
    }

    @Override
    public List<String> specialTokens() {
        return List.of("<pad>", "<|endoftext|>");
    }

    @Override
    public final BatchSource source(Input input, Record config) {
        Noise noise = noise(input, config);
        FramedText frame = FramedText.of(input.tokenizer());
        int room = input.data().maxLength() - frame.size();
        if (room < 1) {
            throw QuernException.badInput(
                    "max_length: rows of %d tokens leave no room for text; raise it",
                    input.data().maxLength());
        }
        return new RewrittenRows(input, room, (row, key) -> {
            int[] text = frame.bare(row);
            return new RewrittenRows.Pair(frame.around(noise.of(text, key)), frame.around(text));
        });
    }
}
