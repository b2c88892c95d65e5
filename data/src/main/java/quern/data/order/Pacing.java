package quern.data.order;

/**
 * How the part of the data that may be met grows with the step: its competence (Platanios et al. 2019, arXiv:1903.09848). With c
 * the first share and T the steps until everything may be met:
 */
public enum Pacing {
    /** {@code c + (1 - c) t / T}. */
    LINEAR,
    /** {@code (c^p + (1 - c^p) t / T)^(1/p)}: new rows come ever more slowly, as each is met less often by then. */
    ROOT,
    /** {@code c} and then equal stairs up to 1, {@code stages} of them. */
    STEP,
    /** {@code c^(1 - t / T)}: the share grows by the same factor every step. */
    EXPONENTIAL,
    /** Everything from the start, in the very order of the measure, epoch by epoch. */
    SORTED;

    /**
     * The share in (0, 1].
     *
     * @param first c, in (0, 1]
     * @param steps T, 1 or more
     * @param power p of {@link #ROOT}
     * @param stages of {@link #STEP}
     */
    double share(long step, double first, long steps, double power, int stages) {
        if (step >= steps || this == SORTED) {
            return 1;
        }
        double way = (double) step / steps;
        return switch (this) {
            case LINEAR -> first + (1 - first) * way;
            case ROOT -> Math.pow(Math.pow(first, power) + (1 - Math.pow(first, power)) * way, 1 / power);
            case STEP -> first + (1 - first) * Math.floor(way * stages) / stages;
            case EXPONENTIAL -> Math.pow(first, 1 - way);
            case SORTED -> 1;
        };
    }
}
