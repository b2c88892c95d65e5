package quern.tensor.kernel;

import jdk.incubator.vector.FloatVector;

/**
 * A step of gradient descent: d = g + λw; without momentum w = w - lr · d. With momentum the buffer b is d at the first
 * step, then μ b + (1 - τ) d, and w = w - lr · b, or w - lr · (d + μ b) in Nesterov's form. Equal to {@code
 * torch.optim.SGD} up to rounding. Buffers: b where there is momentum.
 */
public final class SgdUpdate extends Update {
    private final float l2;
    private final boolean momentum;
    private final float keep;
    private final float gain;
    private final float ahead;
    private final float direct;
    private final float negativeRate;

    /**
     * The numbers of a step.
     *
     * @param learningRate lr
     * @param weightDecay λ
     * @param momentum μ; 0 for no buffer
     * @param dampening τ
     * @param nesterov whether the step looks ahead
     * @param first whether this is the parameter's first step
     */
    public SgdUpdate(
            double learningRate,
            double weightDecay,
            double momentum,
            double dampening,
            boolean nesterov,
            boolean first) {
        l2 = (float) weightDecay;
        this.momentum = momentum != 0;
        keep = first ? 0 : (float) momentum;
        gain = first ? 1 : (float) (1 - dampening);
        ahead = nesterov ? (float) momentum : 1;
        direct = nesterov ? 1 : 0;
        negativeRate = (float) -learningRate;
    }

    @Override
    void apply(TileGradient gradient, float[] weight, float[][] buffers, int length) {
        if (momentum) {
            Loops.withVelocity(gradient, weight, buffers[0], this);
        } else {
            Loops.plain(gradient, weight, this);
        }
    }

    private static final class Loops {
        static void plain(TileGradient gs, float[] ws, SgdUpdate c) {
            for (int i = 0; i < ws.length; i += Lanes.COUNT) {
                FloatVector w = Lanes.load(ws, i);
                FloatVector d = w.fma(Lanes.all(c.l2), gs.at(i));
                d.fma(Lanes.all(c.negativeRate), w).intoArray(ws, i);
            }
        }

        static void withVelocity(TileGradient gs, float[] ws, float[] bs, SgdUpdate c) {
            for (int i = 0; i < ws.length; i += Lanes.COUNT) {
                FloatVector w = Lanes.load(ws, i);
                FloatVector d = w.fma(Lanes.all(c.l2), gs.at(i));
                FloatVector b = d.fma(Lanes.all(c.gain), Lanes.load(bs, i).mul(c.keep));
                b.intoArray(bs, i);
                FloatVector along = b.fma(Lanes.all(c.ahead), d.mul(c.direct));
                along.fma(Lanes.all(c.negativeRate), w).intoArray(ws, i);
            }
        }
    }
}
