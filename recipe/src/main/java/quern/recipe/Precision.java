package quern.recipe;

/** The arithmetic of training. */
public enum Precision {
    /** Everything in 32-bit floats. */
    FP32,
    /** bfloat16 weights and activations; 32-bit master weights, norms, softmax and loss sums. */
    BF16
}
