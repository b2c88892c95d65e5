package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * A step of Adam or AdamW. Buffers: m, v.
 *
 * <p>With t the step, m̂ = m / (1 - β1^t) and v̂ = v / (1 - β2^t): m = β1 m + (1 - β1) g; v = β2 v + (1 - β2) g²;
 * w = w - lr · m̂ / (√v̂ + ε). Decoupled decay first takes w = w - lr · λ · w; the L2 form adds λ w to g instead. Equal to
 * {@code torch.optim.AdamW} and {@code torch.optim.Adam} (no amsgrad) up to rounding; the corrections are computed in
 * double, as there.
 *
 * <p>Kingma, Ba: <a href="https://arxiv.org/abs/1412.6980">Adam</a>; Loshchilov, Hutter: <a
 * href="https://arxiv.org/abs/1711.05101">Decoupled weight decay regularization</a>.
 */
public final class AdamUpdate extends Update {
    private final float l2;
    private final float keep;
    private final float oneMinusBeta1;
    private final float beta2;
    private final float oneMinusBeta2;
    private final float inverseRoot;
    private final float epsilon;
    private final float negativeStep;

    /**
     * The numbers of a step.
     *
     * @param learningRate lr
     * @param beta1 decay of the first moment, in [0, 1)
     * @param beta2 decay of the second moment, in [0, 1)
     * @param epsilon ε, added to the root
     * @param weightDecay λ
     * @param decoupled true for AdamW, false for Adam with an L2 penalty
     * @param step t, from 1
     */
    public record Step(
            double learningRate,
            double beta1,
            double beta2,
            double epsilon,
            double weightDecay,
            boolean decoupled,
            long step) {
        /** Checks the ranges. */
        public Step {
            if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) {
                throw new IllegalArgumentException(
                        "betas (%s, %s), expected numbers in [0, 1)".formatted(beta1, beta2));
            }
            if (step < 1) {
                throw new IllegalArgumentException("step %d, expected at least 1".formatted(step));
            }
        }
    }

    /** The update of a step. */
    public AdamUpdate(Step s) {
        l2 = s.decoupled() ? 0 : (float) s.weightDecay();
        keep = s.decoupled() ? (float) (1 - s.learningRate() * s.weightDecay()) : 1;
        oneMinusBeta1 = (float) (1 - s.beta1());
        beta2 = (float) s.beta2();
        oneMinusBeta2 = (float) (1 - s.beta2());
        inverseRoot = (float) (1 / Math.sqrt(1 - Math.pow(s.beta2(), s.step())));
        epsilon = (float) s.epsilon();
        negativeStep = (float) (-s.learningRate() / (1 - Math.pow(s.beta1(), s.step())));
    }

    @Override
    void apply(UpdateStreams streams, long begin, long end) {
        Loop.run(streams, begin, end, this);
    }

    private static final class Loop {
        static void run(UpdateStreams s, long begin, long end, AdamUpdate c) {
            MemorySegment ms = s.buffer(0);
            MemorySegment vs = s.buffer(1);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                FloatVector w = s.weight(i);
                FloatVector m = Lanes.loadFloats(ms, i * 4);
                FloatVector v = Lanes.loadFloats(vs, i * 4);
                FloatVector g = w.fma(Lanes.all(c.l2), s.gradient(i));
                m = g.sub(m).fma(Lanes.all(c.oneMinusBeta1), m);
                v = g.mul(c.oneMinusBeta2).fma(g, v.mul(c.beta2));
                Lanes.storeFloats(m, ms, i * 4);
                Lanes.storeFloats(v, vs, i * 4);
                FloatVector root = v.sqrt().fma(Lanes.all(c.inverseRoot), Lanes.all(c.epsilon));
                s.setWeight(i, w.mul(c.keep).add(m.mul(c.negativeStep).div(root)));
            }
        }
    }
}
