package quern.nn;

/** How attention is computed. The values are equal but for rounding; memory and time are not. */
public enum AttentionImplementation {
    /** Blockwise from some length on, below it with all scores at once. */
    AUTO,
    /** All scores of a layer at once: [B, H, T, S]. */
    EAGER,
    /**
     * Exact attention in blocks of queries, whose scores are computed again in the backward pass (Dao et al. 2022,
     * arXiv:2205.14135): memory grows with T, not T·S, and hidden blocks of keys are left out. On CUDA libtorch's fused kernel.
     */
    FLASH;

    /** From this many scores a head on blocks are ahead of all scores at once in the record of attention's memory and time. */
    private static final long SCORES = 1024L * 1024;

    /** Whether attention of {@code t} queries over {@code s} keys goes in blocks. */
    boolean isBlockwise(long t, long s) {
        return switch (this) {
            case AUTO -> t > 1 && t * s >= SCORES;
            case EAGER -> false;
            case FLASH -> t > 1;
        };
    }
}
