package quern.tensor.kernel;

/**
 * The element-wise formula of an optimizer's step, as {@link UpdateKernel} applies it. The kernel brings the numbers into
 * short arrays and takes them back; an update holds only its formula and the numbers of one step.
 *
 * <p>What touches the Vector API stands in a nested class of each: an update must load where that is missing.
 */
public abstract sealed class Update
        permits AdagradUpdate, AdamUpdate, AdanUpdate, LambUpdate.Moments, LambUpdate.Weights, LionUpdate, SgdUpdate {
    /**
     * Updates the elements of a tile in place. All arrays are whole tiles, a multiple of every vector length; what lies
     * behind the first {@code length} elements is zero and is never stored, so a formula may run over it.
     */
    abstract void apply(TileGradient gradient, float[] weight, float[][] buffers, int length);

    /** Whether the gradient is needed. */
    boolean readsGradient() {
        return true;
    }

    /** Whether the weight is changed. */
    boolean writesWeight() {
        return true;
    }

    /** Whether the buffers are changed. */
    boolean writesBuffers() {
        return true;
    }
}
