package quern.nn;

import java.util.function.Predicate;

/**
 * Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): a chosen segment keeps only what it read and computes its
 * graph again when its backward comes. Random streams restart from the visit's seed, so no bit changes.
 */
public final class GradientCheckpointing implements SegmentHook {
    private final Predicate<Segment> chosen;

    /** Recomputes the segments that {@code chosen} accepts. */
    public GradientCheckpointing(Predicate<Segment> chosen) {
        this.chosen = chosen;
    }

    @Override
    public boolean recompute(Visit visit) {
        return chosen.test(visit.segment());
    }
}
