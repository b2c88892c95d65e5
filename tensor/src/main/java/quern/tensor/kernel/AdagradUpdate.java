package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
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
    void apply(UpdateStreams streams, long begin, long end) {
        Loop.run(streams, begin, end, this);
    }

    private static final class Loop {
        static void run(UpdateStreams s, long begin, long end, AdagradUpdate c) {
            MemorySegment sums = s.buffer(0);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                FloatVector w = s.weight(i);
                FloatVector g = w.fma(Lanes.all(c.l2), s.gradient(i));
                FloatVector sum = g.fma(g, Lanes.loadFloats(sums, i * 4));
                Lanes.storeFloats(sum, sums, i * 4);
                s.setWeight(i, w.add(g.mul(c.negativeRate).div(sum.sqrt().add(c.epsilon))));
            }
        }
    }
}
