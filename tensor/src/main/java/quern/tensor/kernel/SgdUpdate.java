package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
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
    void apply(UpdateStreams streams, long begin, long end) {
        if (momentum) {
            VelocityLoop.run(streams, begin, end, this);
        } else {
            PlainLoop.run(streams, begin, end, this);
        }
    }

    private static final class PlainLoop {
        static void run(UpdateStreams s, long begin, long end, SgdUpdate c) {
            for (long i = begin; i < end; i += Lanes.COUNT) {
                FloatVector w = s.weight(i);
                FloatVector d = w.fma(Lanes.all(c.l2), s.gradient(i));
                s.setWeight(i, d.fma(Lanes.all(c.negativeRate), w));
            }
        }
    }

    private static final class VelocityLoop {
        static void run(UpdateStreams s, long begin, long end, SgdUpdate c) {
            MemorySegment bs = s.buffer(0);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                FloatVector w = s.weight(i);
                FloatVector d = w.fma(Lanes.all(c.l2), s.gradient(i));
                FloatVector v =
                        d.fma(Lanes.all(c.gain), Lanes.loadFloats(bs, i * 4).mul(c.keep));
                Lanes.storeFloats(v, bs, i * 4);
                FloatVector along = v.fma(Lanes.all(c.ahead), d.mul(c.direct));
                s.setWeight(i, along.fma(Lanes.all(c.negativeRate), w));
            }
        }
    }
}
