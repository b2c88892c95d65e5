package quern.models.part.feedforward;

import quern.nn.Activation;

/** What an expert computes. */
public enum ExpertKind {
    /** A gate with SiLU. */
    SWIGLU(Activation.SILU, true),
    /** A gate with GELU. */
    GEGLU(Activation.GELU_TANH, true),
    /** GELU between two maps. */
    GELU(Activation.GELU_TANH, false),
    /** ReLU between two maps. */
    RELU(Activation.RELU, false);

    private final Activation activation;
    private final boolean gated;

    ExpertKind(Activation activation, boolean gated) {
        this.activation = activation;
        this.gated = gated;
    }

    Activation activation() {
        return activation;
    }

    boolean gated() {
        return gated;
    }
}
