package quern.tensor.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * A step of Lion: w = (1 - lr · λ) w; w = w - lr · sign(β1 m + (1 - β1) g); m = β2 m + (1 - β2) g. The sign of 0 is 0.
 * Buffers: m.
 *
 * <p>Chen et al.: <a href="https://arxiv.org/abs/2302.06675">Symbolic discovery of optimization algorithms</a>.
 */
public final class LionUpdate extends Update {
    private final float beta1;
    private final float oneMinusBeta1;
    private final float beta2;
    private final float oneMinusBeta2;
    private final float keep;
    private final float rate;

    /**
     * The numbers of a step.
     *
     * @param learningRate lr
     * @param beta1 the momentum's share in the direction
     * @param beta2 decay of the momentum
     * @param weightDecay λ
     */
    public LionUpdate(double learningRate, double beta1, double beta2, double weightDecay) {
        this.beta1 = (float) beta1;
        oneMinusBeta1 = (float) (1 - beta1);
        this.beta2 = (float) beta2;
        oneMinusBeta2 = (float) (1 - beta2);
        keep = (float) (1 - learningRate * weightDecay);
        rate = (float) learningRate;
    }

    @Override
    void apply(TileGradient gradient, float[] weight, float[][] buffers, int length) {
        Loops.apply(gradient, weight, buffers[0], this);
    }

    private static final class Loops {
        static void apply(TileGradient gs, float[] ws, float[] ms, LionUpdate c) {
            FloatVector zero = FloatVector.zero(Lanes.FLOATS);
            for (int i = 0; i < ws.length; i += Lanes.COUNT) {
                FloatVector g = gs.at(i);
                FloatVector m = Lanes.load(ms, i);
                FloatVector direction = g.fma(Lanes.all(c.oneMinusBeta1), m.mul(c.beta1));
                FloatVector move = zero.blend(-c.rate, direction.compare(VectorOperators.GT, 0f))
                        .blend(c.rate, direction.compare(VectorOperators.LT, 0f));
                Lanes.load(ws, i).mul(c.keep).add(move).intoArray(ws, i);
                g.fma(Lanes.all(c.oneMinusBeta2), m.mul(c.beta2)).intoArray(ms, i);
            }
        }
    }
}
