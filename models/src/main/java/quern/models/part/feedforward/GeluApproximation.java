package quern.models.part.feedforward;

import quern.nn.Activation;

/** How the normal distribution in GELU is computed. */
public enum GeluApproximation {
    /** Exactly. */
    NONE(Activation.GELU),
    /** By a hyperbolic tangent, as GPT-2 does. */
    TANH(Activation.GELU_TANH);

    private final Activation activation;

    GeluApproximation(Activation activation) {
        this.activation = activation;
    }

    /** GELU computed so. */
    Activation activation() {
        return activation;
    }
}
