package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * A step of schedule-free AdamW. The weight is y; with c the share of this step in the average: v = β2 v + (1 - β2) g²;
 * d = g / (√v̂ + ε) + λ y, where v̂ = v / (1 - β2^t); y = y + c (z - y) + lr (β1 (1 - c) - 1) d; z = z - lr · d. Buffers: z, v.
 *
 * <p>Defazio et al.: <a href="https://arxiv.org/abs/2405.15682">The road less scheduled</a>.
 */
public final class ScheduleFreeUpdate extends Update {
    private final float beta2;
    private final float oneMinusBeta2;
    private final float inverseRoot;
    private final float epsilon;
    private final float weightDecay;
    private final float share;
    private final float weightStep;
    private final float negativeRate;

    /**
     * The numbers of a step.
     *
     * @param learningRate lr, warmed up
     * @param beta1 where y stands between z (0) and the average (1)
     * @param beta2 decay of the second moment
     * @param epsilon ε, added to the root
     * @param weightDecay λ
     * @param share c, from 0 to 1
     * @param step t, from 1
     */
    public ScheduleFreeUpdate(
            double learningRate,
            double beta1,
            double beta2,
            double epsilon,
            double weightDecay,
            double share,
            long step) {
        this.beta2 = (float) beta2;
        oneMinusBeta2 = (float) (1 - beta2);
        inverseRoot = (float) (1 / Math.sqrt(1 - Math.pow(beta2, step)));
        this.epsilon = (float) epsilon;
        this.weightDecay = (float) weightDecay;
        this.share = (float) share;
        weightStep = (float) (learningRate * (beta1 * (1 - share) - 1));
        negativeRate = (float) -learningRate;
    }

    @Override
    void apply(UpdateStreams streams, long begin, long end) {
        Loop.run(streams, begin, end, this);
    }

    private static final class Loop {
        static void run(UpdateStreams s, long begin, long end, ScheduleFreeUpdate c) {
            MemorySegment zs = s.buffer(0);
            MemorySegment vs = s.buffer(1);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                FloatVector y = s.weight(i);
                FloatVector z = Lanes.loadFloats(zs, i * 4);
                FloatVector g = s.gradient(i);
                FloatVector v = g.mul(c.oneMinusBeta2)
                        .fma(g, Lanes.loadFloats(vs, i * 4).mul(c.beta2));
                Lanes.storeFloats(v, vs, i * 4);
                FloatVector root = v.sqrt().fma(Lanes.all(c.inverseRoot), Lanes.all(c.epsilon));
                FloatVector direction = y.fma(Lanes.all(c.weightDecay), g.div(root));
                Lanes.storeFloats(direction.fma(Lanes.all(c.negativeRate), z), zs, i * 4);
                FloatVector towards = z.sub(y).fma(Lanes.all(c.share), y);
                s.setWeight(i, direction.fma(Lanes.all(c.weightStep), towards));
            }
        }
    }
}
