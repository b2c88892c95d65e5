package quern.data.order;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;
import quern.data.Permutation;
import quern.data.internal.Mix;
import quern.recipe.QuernException;

/**
 * Rows by a measure: those that may be met are the first so many in its order, and among them each is met once before one is
 * met again, in a seeded order, until more of them may be met.
 */
final class PacedOrder implements RowOrder {
    private final int[] ranked;
    private final PacedSettings settings;
    private final long seed;

    /** @param measure a number for each row, low ones easy; rows of one number keep their order */
    PacedOrder(double[] measure, PacedSettings settings, long seed) {
        this.ranked = ranked(measure, settings.order());
        this.settings = settings;
        this.seed = seed;
    }

    static int[] ranked(double[] measure, PacedSettings.Direction order) {
        Comparator<Integer> easy = Comparator.comparingDouble(row -> measure[row]);
        return IntStream.range(0, measure.length)
                .boxed()
                .sorted(order == PacedSettings.Direction.EASY_TO_HARD ? easy : easy.reversed())
                .mapToInt(Integer::intValue)
                .toArray();
    }

    /** Measures every row. */
    static double[] measured(Curriculum.Rows rows, java.util.function.LongToDoubleFunction measure) {
        if (rows.count() > Integer.MAX_VALUE - 8) {
            throw QuernException.badInput(
                    "%s: %,d rows, more than a curriculum can order; raise max_length", rows.origin(), rows.count());
        }
        double[] all = new double[(int) rows.count()];
        Arrays.setAll(all, measure::applyAsDouble);
        return all;
    }

    @Override
    public long row(long n, long step) {
        if (settings.pacing() == Pacing.SORTED) {
            return ranked[(int) (n % ranked.length)];
        }
        return pick(ranked, first(share(step), ranked.length), n, seed);
    }

    /** How many rows a share of all is. */
    static int first(double share, int all) {
        // A share that rounding put just above a whole number of rows opens no row more.
        return Math.clamp((long) Math.ceil(share * all - 1e-6), 1, all);
    }

    /** One of the first {@code open} rows. */
    static int pick(int[] ranked, int open, long n, long seed) {
        Permutation order = new Permutation(open, Mix.hash(Mix.hash(seed, open), n / open));
        return ranked[(int) order.at(n % open)];
    }

    @Override
    public double share(long step) {
        return settings.share(step);
    }
}
