package quern.data.dedup;

/** The Jaccard similarity of two sets: the size of what they share over the size of what either holds. */
public final class Similarity {
    private Similarity() {}

    /** The similarity of two sets given in ascending order, each element once; 0 where both are empty. */
    public static double jaccard(long[] a, long[] b) {
        int shared = shared(a, b, 0);
        int either = a.length + b.length - shared;
        return either == 0 ? 0 : (double) shared / either;
    }

    /** Whether {@link #jaccard} is at least {@code threshold}, which is above 0; reads no further than it must. */
    public static boolean atLeast(long[] a, long[] b, double threshold) {
        int needed = needed(a.length, b.length, threshold);
        return Math.min(a.length, b.length) >= needed && shared(a, b, needed) >= needed;
    }

    /**
     * The fewest shared elements that make sets of these sizes similar enough: s / (a + b - s) ≥ t, so s ≥ t (a + b) / (1
     * + t). At least 1: empty sets are similar to nothing.
     */
    static int needed(int a, int b, double threshold) {
        // The quotient is a fraction of integers or away from one by more than rounding puts on it.
        double least = threshold * ((double) a + b) / (1 + threshold);
        return Math.max(1, (int) Math.ceil(least - 1e-9 * Math.max(1, least)));
    }

    /** How many elements are shared; stops, with a smaller number, once {@code needed} can't be reached. */
    private static int shared(long[] a, long[] b, int needed) {
        int i = 0;
        int j = 0;
        int shared = 0;
        // How many elements of either may still be passed over.
        int spareA = a.length - needed;
        int spareB = b.length - needed;
        while (i < a.length && j < b.length) {
            if (a[i] == b[j]) {
                shared++;
                i++;
                j++;
            } else if (a[i] < b[j]) {
                if (i++ - shared >= spareA) {
                    return shared;
                }
            } else if (j++ - shared >= spareB) {
                return shared;
            }
        }
        return shared;
    }
}
