package quern.recipe;

/** The arithmetic of training. */
public enum Precision {
    /** Everything in 32-bit floats. */
    FP32,
    /** bfloat16 weights and activations; 32-bit master weights, norms, softmax and loss sums. */
    BF16,
    /** As {@link #BF16} with IEEE half floats, whose narrow range a dynamic {@link LossScale} makes up for. */
    FP16,
    /** {@link #FP16}, where a segment that overflows again and again changes to bfloat16: {@link DynamicPrecision}. */
    DYNAMIC;

    /** Whether the loss is scaled, so that gradients neither vanish nor overflow in fp16. */
    public boolean scalesLoss() {
        return this == FP16 || this == DYNAMIC;
    }
}
