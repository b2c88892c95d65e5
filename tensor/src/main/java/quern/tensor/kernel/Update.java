package quern.tensor.kernel;

/**
 * The element-wise formula of an optimizer's step, as {@link UpdateKernel} applies it: an object holds the numbers of one
 * step.
 *
 * <p>What touches the Vector API stands in a nested class of each: an update must load where that is missing.
 */
public abstract sealed class Update
        permits AdagradUpdate,
                AdamUpdate,
                AdanUpdate,
                LambUpdate.Moments,
                LambUpdate.Weights,
                LionUpdate,
                ScheduleFreeUpdate,
                SgdUpdate {
    /**
     * Updates the elements from {@code begin} to {@code end}, which are whole vectors. In the last vector of a parameter
     * some lanes may be padding, whose weight and gradient are zero.
     */
    abstract void apply(UpdateStreams streams, long begin, long end);

    /** Whether the weight is changed. */
    boolean writesWeight() {
        return true;
    }

    /** What a buffer holds in padding. */
    float padding(int buffer) {
        return 0;
    }
}
