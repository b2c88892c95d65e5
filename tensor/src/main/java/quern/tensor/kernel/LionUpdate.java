package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
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
    void apply(UpdateStreams streams, long begin, long end) {
        Loop.run(streams, begin, end, this);
    }

    private static final class Loop {
        static void run(UpdateStreams s, long begin, long end, LionUpdate c) {
            MemorySegment ms = s.buffer(0);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                FloatVector g = s.gradient(i);
                FloatVector m = Lanes.loadFloats(ms, i * 4);
                FloatVector direction = g.fma(Lanes.all(c.oneMinusBeta1), m.mul(c.beta1));
                Lanes.storeFloats(g.fma(Lanes.all(c.oneMinusBeta2), m.mul(c.beta2)), ms, i * 4);
                FloatVector move = FloatVector.zero(Lanes.FLOATS)
                        .blend(-c.rate, direction.compare(VectorOperators.GT, 0f))
                        .blend(c.rate, direction.compare(VectorOperators.LT, 0f));
                s.setWeight(i, s.weight(i).mul(c.keep).add(move));
            }
        }
    }
}
