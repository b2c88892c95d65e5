package quern.data.internal;

import java.util.Arrays;
import quern.data.Batch;
import quern.data.MaskedLm;
import quern.data.SpecialToken;
import quern.data.Tokenizer;
import quern.recipe.QuernException;

/** Hides tokens of a row and notes them as labels. A function of the row's key alone. */
public final class MaskedTokens {
    private static final double UNIT = 0x1p-53;

    private final Tokenizer tokenizer;
    private final MaskedLm.Config config;
    private final int mask;

    /** Finds the mask token; bad input when the tokenizer has none. */
    public MaskedTokens(Tokenizer tokenizer, MaskedLm.Config config, String objective) {
        this.tokenizer = tokenizer;
        this.config = config;
        this.mask = tokenizer.special(SpecialToken.MASK_TOKEN).orElseThrow(() -> missing("mask_token", objective));
    }

    /** The refusal of a tokenizer that lacks a token which an objective needs. */
    static QuernException missing(String token, String objective) {
        return QuernException.badInput(
                "objective: %s: the tokenizer has no %s; use a tokenizer with one, or train one with special_tokens [\"[PAD]\", \"[CLS]\", \"[SEP]\", \"[MASK]\"]",
                objective, token);
    }

    /**
     * Hides some of the {@code length} tokens from {@code from}, at least one where there is one that may be hidden.
     * Special tokens stay.
     *
     * @param labels receives the tokens hidden; the others stay as they are
     */
    public void hide(int[] ids, int[] labels, int from, int length, long key) {
        boolean any = false;
        for (int i = from; i < from + length; i++) {
            if (!tokenizer.isSpecial(ids[i]) && unit(key, 3L * (i - from)) < config.mlmProbability()) {
                hideOne(ids, labels, i, i - from, key);
                any = true;
            }
        }
        for (int i = from; i < from + length && !any; i++) {
            // Of a short row with no token chosen, the one whose turn the key says.
            int place = from + (int) ((i - from + Mix.below(key, -1, length)) % length);
            if (!tokenizer.isSpecial(ids[place])) {
                hideOne(ids, labels, place, place - from, key);
                any = true;
            }
        }
    }

    private void hideOne(int[] ids, int[] labels, int place, int column, long key) {
        labels[place] = ids[place];
        double how = unit(key, 3L * column + 1);
        if (how < config.maskReplaceProb()) {
            ids[place] = mask;
        } else if (how < config.maskReplaceProb() + config.randomReplaceProb()) {
            ids[place] = (int) Mix.below(key, 3L * column + 2, tokenizer.vocabularySize());
        }
    }

    private static double unit(long key, long draw) {
        return (Mix.hash(key, draw) >>> 11) * UNIT;
    }

    /** Labels of which none counts. */
    static int[] noLabels(int size) {
        int[] labels = new int[size];
        Arrays.fill(labels, Batch.NOT_COUNTED);
        return labels;
    }
}
