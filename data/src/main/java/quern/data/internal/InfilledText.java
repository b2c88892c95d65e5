package quern.data.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import quern.data.TextInfilling;

/** Hides spans of a text behind one mask each; a function of the text and the key alone. */
public final class InfilledText {
    private final TextInfilling.Config config;
    private final int mask;

    /** Spans of these shares, each behind {@code mask}. */
    public InfilledText(TextInfilling.Config config, int mask) {
        this.config = config;
        this.mask = mask;
    }

    /** The text with spans hidden; {@code key} is the seed of what is drawn. */
    public int[] hidden(int[] text, long key) {
        int share = (int) Math.min(text.length, Math.round(text.length * config.maskRatio()));
        List<Integer> spans = spanLengths(share, text.length - share + 1, key);
        int kept = text.length - share;
        int gaps = kept + 1;
        IntStream.Builder source = IntStream.builder();
        int at = 0;
        int span = 0;
        for (int gap = 0; gap < gaps; gap++) {
            // Spans stand in different gaps between kept tokens, any choice of gaps as likely.
            if (Mix.below(Mix.hash(key, 1), gap, gaps - gap) < spans.size() - span) {
                source.add(mask);
                at += spans.get(span++);
            }
            if (gap < kept) {
                source.add(text[at++]);
            }
        }
        return source.build().toArray();
    }

    /** Poisson numbers whose sum is {@code share}, at most {@code gaps} of them and at most {@code share}. */
    private List<Integer> spanLengths(int share, int gaps, long key) {
        List<Integer> lengths = new ArrayList<>();
        int left = share;
        int most = Math.min(gaps, share);
        for (int i = 0; left > 0; i++) {
            int length = lengths.size() == most - 1
                    ? left
                    : Math.min(left, poisson(Mix.hash(Mix.hash(key, 0), i), config.poissonLambda()));
            lengths.add(length);
            left -= length;
        }
        return lengths;
    }

    /** A Poisson number by Knuth's product of uniform numbers. */
    static int poisson(long key, double lambda) {
        double limit = Math.exp(-lambda);
        double product = 1;
        int n = -1;
        while (product > limit) {
            n++;
            product *= Mix.unit(key, n);
        }
        return n;
    }
}
