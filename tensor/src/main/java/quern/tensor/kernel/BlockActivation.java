package quern.tensor.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The activation of a feed-forward part over rows in arrays, forward and backward, plain {@code h = act(x)} or gated {@code h =
 * act(g)·u}. SiLU and GELU's tanh form are both {@code x·σ(p(x))}, with p(x) = x, and p(x) = 2√(2/π)(x + 0.044715x³) since
 * (1 + tanh z)/2 = σ(2z); their derivative is σ + xσ(1-σ)p'.
 */
public enum BlockActivation {
    /** {@code x·σ(x)}. */
    SILU,
    /** GELU's tanh approximation. */
    GELU_TANH,
    /** {@code max(x, 0)}. */
    RELU;

    private static final float CUBE = 0.044715f;
    private static final float TWICE_ROOT = (float) (2 * Math.sqrt(2 / Math.PI));

    /** {@code h = act(x)} over {@code n} elements; up to the next whole vector h is written too. */
    void forward(float[] x, int xAt, float[] h, int hAt, int n) {
        for (int i = 0; i < n; i += Lanes.COUNT) {
            FloatVector v = Lanes.load(x, xAt + i);
            v.mul(gain(v)).intoArray(h, hAt + i);
        }
    }

    /** {@code h = act(g)·u}; up to the next whole vector h is written too. */
    void gated(float[] g, int gAt, float[] u, int uAt, float[] h, int hAt, int n) {
        for (int i = 0; i < n; i += Lanes.COUNT) {
            FloatVector v = Lanes.load(g, gAt + i);
            v.mul(gain(v)).mul(Lanes.load(u, uAt + i)).intoArray(h, hAt + i);
        }
    }

    /** {@code h = act(x)} again, and {@code dx = dh·act'(x)} over x. */
    void backward(float[] x, int xAt, float[] dh, int dhAt, float[] h, int hAt, int n) {
        for (int i = 0; i < n; i += Lanes.COUNT) {
            FloatVector v = Lanes.load(x, xAt + i);
            FloatVector gain = gain(v);
            Lanes.load(dh, dhAt + i).mul(slope(v, gain)).intoArray(x, xAt + i);
            v.mul(gain).intoArray(h, hAt + i);
        }
    }

    /**
     * {@code h = act(g)·u} again, {@code dg = dh·u·act'(g)} over g, {@code du = dh·act(g)} over u. Up to the next whole
     * vector h and u are written too; g is not, since u may lie right behind it.
     */
    void gatedBackward(float[] g, int gAt, float[] u, int uAt, float[] dh, int dhAt, float[] h, int hAt, int n) {
        int whole = n / Lanes.COUNT * Lanes.COUNT;
        for (int i = 0; i < whole; i += Lanes.COUNT) {
            gatedBackward(g, gAt + i, u, uAt + i, dh, dhAt + i, h, hAt + i).intoArray(g, gAt + i);
        }
        if (whole < n) {
            gatedBackward(g, gAt + whole, u, uAt + whole, dh, dhAt + whole, h, hAt + whole)
                    .intoArray(g, gAt + whole, Lanes.FLOATS.indexInRange(whole, n));
        }
    }

    /** A vector of the above: writes du and h, returns dg. */
    private FloatVector gatedBackward(
            float[] g, int gAt, float[] u, int uAt, float[] dh, int dhAt, float[] h, int hAt) {
        FloatVector v = Lanes.load(g, gAt);
        FloatVector gain = gain(v);
        FloatVector act = v.mul(gain);
        FloatVector up = Lanes.load(u, uAt);
        FloatVector d = Lanes.load(dh, dhAt);
        d.mul(act).intoArray(u, uAt);
        act.mul(up).intoArray(h, hAt);
        return d.mul(up).mul(slope(v, gain));
    }

    /** act(x)/x. */
    private FloatVector gain(FloatVector x) {
        if (this == RELU) {
            return one().blend(0f, x.compare(VectorOperators.LT, 0f));
        }
        return sigmoid(this == SILU ? x : argument(x));
    }

    /** act'(x), given the gain. */
    private FloatVector slope(FloatVector x, FloatVector gain) {
        if (this == RELU) {
            return one().blend(0f, x.compare(VectorOperators.LE, 0f));
        }
        FloatVector rest = x.mul(gain).mul(one().sub(gain));
        if (this == SILU) {
            return gain.add(rest);
        }
        FloatVector inner = x.mul(x).mul(3 * CUBE * TWICE_ROOT).add(TWICE_ROOT);
        return rest.fma(inner, gain);
    }

    private static FloatVector argument(FloatVector x) {
        return x.mul(x).mul(CUBE).add(1f).mul(x).mul(TWICE_ROOT);
    }

    /** 1/(1 + e^-x), by the exponential of -|x|, which can't overflow. */
    private static FloatVector sigmoid(FloatVector x) {
        FloatVector e = Lanes.exp(x.abs().neg());
        FloatVector upper = one().div(e.add(1f));
        return upper.blend(e.mul(upper), x.compare(VectorOperators.LT, 0f));
    }

    private static FloatVector one() {
        return FloatVector.broadcast(Lanes.FLOATS, 1f);
    }
}
