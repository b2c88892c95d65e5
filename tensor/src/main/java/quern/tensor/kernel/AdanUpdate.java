package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * A step of Adan. With p the gradient of the step before, d = g - p (0 at the first step): m = β1 m + (1 - β1) g;
 * v = β2 v + (1 - β2) d; n = β3 n + (1 - β3) (g + β2 d)²; w = (w - lr · (m̂ + β2 v̂) / (√n̂ + ε)) / (1 + lr · λ), where a hat
 * divides by 1 - β^t. Buffers: m, v, n, p.
 *
 * <p>Xie et al.: <a href="https://arxiv.org/abs/2208.06677">Adan</a>, whose β are one minus these.
 */
public final class AdanUpdate extends Update {
    private final float difference;
    private final float keep1;
    private final float gain1;
    private final float keep2;
    private final float gain2;
    private final float keep3;
    private final float gain3;
    private final float beta2;
    private final float inverseRoot;
    private final float epsilon;
    private final float step1;
    private final float step2;
    private final float shrink;

    /**
     * The numbers of a step.
     *
     * @param learningRate lr
     * @param beta1 the share of m that is kept
     * @param beta2 the share of v that is kept
     * @param beta3 the share of n that is kept
     * @param epsilon ε, added to the root
     * @param weightDecay λ
     * @param step t, from 1; at 1 the moments and the gradient before count as zero whatever the buffers hold
     */
    public AdanUpdate(
            double learningRate,
            double beta1,
            double beta2,
            double beta3,
            double epsilon,
            double weightDecay,
            long step) {
        boolean first = step == 1;
        difference = first ? 0 : 1;
        keep1 = first ? 0 : (float) beta1;
        gain1 = (float) (1 - beta1);
        keep2 = first ? 0 : (float) beta2;
        gain2 = (float) (1 - beta2);
        keep3 = first ? 0 : (float) beta3;
        gain3 = (float) (1 - beta3);
        this.beta2 = (float) beta2;
        inverseRoot = (float) (1 / Math.sqrt(1 - Math.pow(beta3, step)));
        this.epsilon = (float) epsilon;
        step1 = (float) (-learningRate / (1 - Math.pow(beta1, step)));
        step2 = (float) (-learningRate * beta2 / (1 - Math.pow(beta2, step)));
        shrink = (float) (1 / (1 + learningRate * weightDecay));
    }

    @Override
    void apply(UpdateStreams streams, long begin, long end) {
        Loop.run(streams, begin, end, this);
    }

    private static final class Loop {
        static void run(UpdateStreams s, long begin, long end, AdanUpdate c) {
            MemorySegment ms = s.buffer(0);
            MemorySegment vs = s.buffer(1);
            MemorySegment ns = s.buffer(2);
            MemorySegment ps = s.buffer(3);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                FloatVector g = s.gradient(i);
                FloatVector d = g.sub(Lanes.loadFloats(ps, i * 4)).mul(c.difference);
                Lanes.storeFloats(g, ps, i * 4);
                FloatVector m =
                        g.fma(Lanes.all(c.gain1), Lanes.loadFloats(ms, i * 4).mul(c.keep1));
                Lanes.storeFloats(m, ms, i * 4);
                FloatVector v =
                        d.fma(Lanes.all(c.gain2), Lanes.loadFloats(vs, i * 4).mul(c.keep2));
                Lanes.storeFloats(v, vs, i * 4);
                FloatVector look = d.fma(Lanes.all(c.beta2), g);
                FloatVector n =
                        look.mul(c.gain3).fma(look, Lanes.loadFloats(ns, i * 4).mul(c.keep3));
                Lanes.storeFloats(n, ns, i * 4);
                FloatVector root = n.sqrt().fma(Lanes.all(c.inverseRoot), Lanes.all(c.epsilon));
                FloatVector step = v.fma(Lanes.all(c.step2), m.mul(c.step1)).div(root);
                s.setWeight(i, s.weight(i).add(step).mul(c.shrink));
            }
        }
    }
}
