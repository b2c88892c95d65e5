package quern.nn;

import quern.tensor.Tensor;

/**
 * What becomes of a head's raw logits z: {@code factor · z}, and with a cap c {@code c · tanh(factor · z / c)}.
 *
 * @param factor 1 for most models
 * @param softCap 0 for none
 */
record LogitTransform(double factor, double softCap) {
    static final LogitTransform NONE = new LogitTransform(1, 0);

    Tensor apply(Tensor z) {
        if (softCap > 0) {
            return z.mul(factor / softCap).tanh().mul(softCap);
        }
        return factor == 1 ? z : z.mul(factor);
    }

    /** Transforms logits in place; returns what {@link #backward_} needs, {@code null} when that is nothing. */
    Tensor apply_(Tensor z) {
        if (softCap > 0) {
            Tensor tanh = z.mul(factor / softCap).tanh();
            z.copy_(tanh).mul_(softCap);
            return tanh;
        }
        if (factor != 1) {
            z.mul_(factor);
        }
        return null;
    }

    /** Turns the cotangent of the transformed logits into that of the raw ones, in place. */
    void backward_(Tensor cotangent, Tensor saved) {
        if (saved != null) {
            cotangent.mul_(saved.square().neg().add(1));
        }
        if (factor != 1) {
            cotangent.mul_(factor);
        }
    }
}
