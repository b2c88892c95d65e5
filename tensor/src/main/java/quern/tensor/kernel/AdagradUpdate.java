package quern.tensor.kernel;

import jdk.incubator.vector.FloatVector;

/**
 * A step of Adagrad: g = g + λw; s = s + g²; w = w - lr · g / (√s + ε). Equal to {@code torch.optim.Adagrad} up to
 * rounding. Buffers: s.
 *
 * <p>Duchi, Hazan, Singer: <a href="https://jmlr.org/papers/v12/duchi11a.html">Adaptive subgradient methods</a>.
 */
public final class AdagradUpdate extends Update {
    private final float l2;
    private final float epsilon;
    private final float negativeRate;

    /**
     * The numbers of a step.
     *
     * @param learningRate lr of this step, already lowered
     * @param weightDecay λ
     * @param epsilon ε, added to the root
     */
    public AdagradUpdate(double learningRate, double weightDecay, double epsilon) {
        l2 = (float) weightDecay;
        this.epsilon = (float) epsilon;
        negativeRate = (float) -learningRate;
    }

    @Override
    void apply(TileGradient gradient, float[] weight, float[][] buffers, int length) {
        Loops.apply(gradient, weight, buffers[0], this);
    }

    private static final class Loops {
        static void apply(TileGradient gs, float[] ws, float[] sums, AdagradUpdate c) {
            for (int i = 0; i < ws.length; i += Lanes.COUNT) {
                FloatVector w = Lanes.load(ws, i);
                FloatVector g = w.fma(Lanes.all(c.l2), gs.at(i));
                FloatVector sum = g.fma(g, Lanes.load(sums, i));
                sum.intoArray(sums, i);
                w.add(g.mul(c.negativeRate).div(sum.sqrt().add(c.epsilon))).intoArray(ws, i);
            }
        }
    }
}
