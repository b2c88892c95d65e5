package quern.data.internal;

import java.util.Arrays;
import quern.data.Batch;
import quern.data.MaskedLm;
import quern.data.SpecialToken;
import quern.data.Tokenizer;
import quern.recipe.QuernException;

/** Hides tokens of a row and notes them as labels. A function of the row's key alone. */
public final class MaskedTokens {
    /** The chance that a span of words ends after a word, and the most words it has. */
    private static final double SPAN_END = 0.2;

    private static final int MOST_WORDS = 10;

    /** Draws for every word of a row before its spans are as many as they can be. */
    private static final int ATTEMPTS = 4;

    private final Tokenizer tokenizer;
    private final MaskedLm.Config config;
    private final int mask;
    private final WordStarts words;

    /** Finds the mask token; bad input when the tokenizer has none. */
    public MaskedTokens(Tokenizer tokenizer, MaskedLm.Config config, String objective) {
        this.tokenizer = tokenizer;
        this.config = config;
        this.mask = tokenizer.special(SpecialToken.MASK_TOKEN).orElseThrow(() -> missing("mask_token", objective));
        this.words = new WordStarts(tokenizer);
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
        boolean any = switch (config.masking()) {
            case TOKEN -> hideTokens(ids, labels, from, length, key);
            case WHOLE_WORD -> hideWords(ids, labels, from, length, key);
            case SPAN -> hideSpans(ids, labels, from, length, key);
        };
        for (int i = from; i < from + length && !any; i++) {
            // Of a short row with no token chosen, the one whose turn the key says.
            int place = from + (int) ((i - from + Mix.below(key, -1, length)) % length);
            if (!tokenizer.isSpecial(ids[place])) {
                int[] unit = config.masking() == MaskedLm.Masking.TOKEN
                        ? new int[] {place, place + 1}
                        : words.around(ids, from, length, place);
                for (int j = unit[0]; j < unit[1]; j++) {
                    hideOne(ids, labels, j, j - from, how(key, j - from), key);
                }
                any = true;
            }
        }
    }

    private boolean hideTokens(int[] ids, int[] labels, int from, int length, long key) {
        boolean any = false;
        for (int i = from; i < from + length; i++) {
            if (!tokenizer.isSpecial(ids[i]) && Mix.unit(key, 3L * (i - from)) < config.mlmProbability()) {
                hideOne(ids, labels, i, i - from, how(key, i - from), key);
                any = true;
            }
        }
        return any;
    }

    private boolean hideWords(int[] ids, int[] labels, int from, int length, long key) {
        boolean any = false;
        int[] starts = words.starts(ids, from, length);
        for (int word = 0; word + 1 < starts.length; word++) {
            int first = starts[word];
            if (!tokenizer.isSpecial(ids[first]) && Mix.unit(key, 3L * (first - from)) < config.mlmProbability()) {
                for (int i = first; i < starts[word + 1]; i++) {
                    hideOne(ids, labels, i, i - from, how(key, i - from), key);
                }
                any = true;
            }
        }
        return any;
    }

    private boolean hideSpans(int[] ids, int[] labels, int from, int length, long key) {
        int[] starts = words.starts(ids, from, length);
        int count = starts.length - 1;
        int wanted = (int) Math.round(length * config.mlmProbability());
        int hidden = 0;
        // A row of special tokens, or one whose free stretches are all shorter than what is drawn, has no span to find.
        int draws = ATTEMPTS * Math.max(1, count);
        for (int draw = 0; hidden < wanted && draw < draws; draw++) {
            int first = (int) Mix.below(Mix.hash(key, -5), draw, count);
            int last = Math.min(count, first + spanWords(Mix.hash(Mix.hash(key, -6), draw)));
            int to = Math.min(starts[last], starts[first] + wanted - hidden);
            boolean free = true;
            for (int i = starts[first]; i < to; i++) {
                free &= labels[i] == Batch.NOT_COUNTED && !tokenizer.isSpecial(ids[i]);
            }
            if (free) {
                double how = how(key, starts[first] - from);
                for (int i = starts[first]; i < to; i++) {
                    hideOne(ids, labels, i, i - from, how, key);
                }
                hidden += to - starts[first];
            }
        }
        return hidden > 0;
    }

    /** A geometric number, at most {@link #MOST_WORDS}. */
    private static int spanWords(long key) {
        double left = Math.log1p(-Mix.unit(key, 0)) / Math.log1p(-SPAN_END);
        return (int) Math.min(MOST_WORDS, 1 + Math.floor(left));
    }

    /** Draws what becomes of the token in a column. */
    private static double how(long key, int column) {
        return Mix.unit(key, 3L * column + 1);
    }

    private void hideOne(int[] ids, int[] labels, int place, int column, double how, long key) {
        labels[place] = ids[place];
        if (how < config.maskReplaceProb()) {
            ids[place] = mask;
        } else if (how < config.maskReplaceProb() + config.randomReplaceProb()) {
            ids[place] = (int) Mix.below(key, 3L * column + 2, tokenizer.vocabularySize());
        }
    }

    /** Labels of which none counts. */
    static int[] noLabels(int size) {
        int[] labels = new int[size];
        Arrays.fill(labels, Batch.NOT_COUNTED);
        return labels;
    }
}
