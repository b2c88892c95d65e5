package quern.nn;

/**
 * What queries see, as a band of keys around each that moves to the right with it, and keys at the start that all see.
 * Positions count from a sequence's first real token.
 *
 * @param ahead whether queries see later keys
 * @param block positions that share a band, 1 where each has its own
 * @param before blocks before a query's own in its band, negative to leave the own out
 * @param after blocks behind it
 * @param global keys at the start that all see and that, with {@code ahead}, see all
 * @param self whether a query sees itself
 * @param prefix keys at the start whose queries see them all
 */
record VisibleKeys(boolean ahead, long block, long before, long after, long global, boolean self, long prefix) {
    private static final long ALL = Long.MAX_VALUE / 4;

    /** The band of a mask; of the strided pattern only its near keys. */
    static VisibleKeys of(Mask mask) {
        boolean ahead = mask.ahead();
        return switch (mask.sparse()) {
            case null -> {
                long reach = mask.reach().isPresent() ? mask.reach().getAsInt() : ALL;
                yield new VisibleKeys(ahead, 1, reach, ahead ? reach : 0, 0, true, 0);
            }
            case SparsePattern.Strided s ->
                new VisibleKeys(ahead, 1, s.stride() - 1, ahead ? s.stride() - 1 : 0, 0, true, 0);
            case SparsePattern.Blocks b ->
                new VisibleKeys(
                        ahead,
                        b.size(),
                        b.neighbours(),
                        ahead ? b.neighbours() : 0,
                        (long) b.global() * b.size(),
                        true,
                        0);
            case SparsePattern.Globals g ->
                new VisibleKeys(ahead, 1, g.window() - 1, ahead ? g.window() - 1 : 0, g.tokens(), true, 0);
        };
    }

    /** Every key without a band. */
    static VisibleKeys all() {
        return new VisibleKeys(true, 1, ALL, ALL, 0, true, 0);
    }

    /** All others, or all earlier ones: the far keys of the strided pattern among those of one remainder. */
    static VisibleKeys others(boolean ahead) {
        return new VisibleKeys(ahead, 1, ALL, ahead ? ALL : 0, 0, false, 0);
    }

    /** The same with a prefix of so many keys. */
    VisibleKeys withPrefix(long keys) {
        return new VisibleKeys(ahead, block, before, after, global, self, keys);
    }

    /** The first key of the band of {@code q}. */
    long lowest(long q) {
        return Math.max(0, (Math.floorDiv(q, block) - before) * block);
    }

    /** The last key of the band of {@code q}. */
    long highest(long q) {
        long band = (Math.floorDiv(q, block) + after + 1) * block - 1;
        return ahead ? band : Math.max(Math.min(q, band), q < prefix ? prefix - 1 : 0);
    }

    boolean sees(long q, long k) {
        boolean inBand = k >= lowest(q) && k <= highest(q);
        boolean atStart = k < global && (ahead || k <= q) || ahead && q < global;
        return (inBand || atStart) && (self || q != k);
    }
}
