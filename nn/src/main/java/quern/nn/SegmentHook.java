package quern.nn;

import quern.tensor.Parameter;

/**
 * Work around the visits of a pass: checkpointing, gradient buckets, sharding, offload. Hooks run in the order they were
 * added before a visit and in reverse after it.
 */
public interface SegmentHook {
    /** One visit of a segment: its place in the pass, and whether it is being recomputed for its backward. */
    record Visit(Segment segment, int index, boolean recomputing) {}

    /** Whether the visit's graph is thrown away after forward and made again for backward. */
    default boolean recompute(Visit visit) {
        return false;
    }

    /** Before the forward of a visit, recomputation included. */
    default void beforeForward(Visit visit) {}

    /** After the forward of a visit, recomputation included. */
    default void afterForward(Visit visit) {}

    /** Before the backward of a visit. */
    default void beforeBackward(Visit visit) {}

    /** After the backward of a visit. */
    default void afterBackward(Visit visit) {}

    /** The parameter's gradient is complete for this pass: its last visit, counted from the end, is done. */
    default void gradientReady(Parameter parameter) {}
}
