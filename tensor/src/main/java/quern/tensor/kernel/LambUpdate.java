package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * A step of LAMB, in two passes that need no memory of their own: {@link Moments} updates m and v and measures the
 * weights and the direction u = m̂ / (√v̂ + ε) + λw; {@link Weights} computes u again and takes w = w - lr · ratio · u.
 * Buffers: m, v.
 *
 * <p>You et al.: <a href="https://arxiv.org/abs/1904.00962">Large batch optimization for deep learning</a>.
 */
public final class LambUpdate {
    /** Elements whose directions are squared together; they stay in the first cache. */
    private static final int STRETCH = 1024;

    private final float oneMinusBeta1;
    private final float beta2;
    private final float oneMinusBeta2;
    private final float inverse;
    private final float inverseRoot;
    private final float epsilon;
    private final float weightDecay;

    /**
     * The numbers of a step.
     *
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param epsilon ε, added to the root
     * @param weightDecay λ
     * @param corrected whether the moments are divided by 1 - β^t
     * @param step t, from 1
     */
    public LambUpdate(double beta1, double beta2, double epsilon, double weightDecay, boolean corrected, long step) {
        oneMinusBeta1 = (float) (1 - beta1);
        this.beta2 = (float) beta2;
        oneMinusBeta2 = (float) (1 - beta2);
        inverse = corrected ? (float) (1 / (1 - Math.pow(beta1, step))) : 1;
        inverseRoot = corrected ? (float) (1 / Math.sqrt(1 - Math.pow(beta2, step))) : 1;
        this.epsilon = (float) epsilon;
        this.weightDecay = (float) weightDecay;
    }

    /** The first pass over some elements of a parameter; one object for each stretch that a thread does. */
    public static final class Moments extends Update {
        private final LambUpdate numbers;
        private double weightSquares;
        private double directionSquares;

        /** The first pass of a step. */
        public Moments(LambUpdate numbers) {
            this.numbers = numbers;
        }

        @Override
        void apply(UpdateStreams streams, long begin, long end) {
            Loops.moments(streams, begin, end, this);
        }

        @Override
        boolean writesWeight() {
            return false;
        }

        /** One for v, so that padding has no direction even where ε is 0. */
        @Override
        float padding(int buffer) {
            return buffer;
        }

        /** The sum of squares of the weights that were seen. */
        public double weightSquares() {
            return weightSquares;
        }

        /** The sum of squares of u over the elements that were seen. */
        public double directionSquares() {
            return directionSquares;
        }
    }

    /** The second pass. */
    public static final class Weights extends Update {
        private final LambUpdate numbers;
        private final float negativeStep;

        /** The second pass of a step that moves by {@code step}: the rate times the trust ratio. */
        public Weights(LambUpdate numbers, double step) {
            this.numbers = numbers;
            negativeStep = (float) -step;
        }

        @Override
        void apply(UpdateStreams streams, long begin, long end) {
            Loops.weights(streams, begin, end, numbers, negativeStep);
        }
    }

    /** What stands twice here is faster than a method of it: returned vectors may go by way of the heap. */
    private static final class Loops {
        static void moments(UpdateStreams s, long begin, long end, Moments moments) {
            float[] directions = new float[STRETCH];
            for (long at = begin; at < end; at += STRETCH) {
                long to = Math.min(end, at + STRETCH);
                moments(s, at, to, moments.numbers, directions);
                moments.weightSquares += NormKernel.sumOfSquares(s.weights(), at, to);
                moments.directionSquares += NormKernel.sumOfSquares(directions, (int) (to - at));
            }
        }

        private static void moments(UpdateStreams s, long begin, long end, LambUpdate c, float[] directions) {
            MemorySegment ms = s.buffer(0);
            MemorySegment vs = s.buffer(1);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                FloatVector g = s.gradient(i);
                FloatVector m = Lanes.loadFloats(ms, i * 4);
                m = g.sub(m).fma(Lanes.all(c.oneMinusBeta1), m);
                FloatVector v = g.mul(c.oneMinusBeta2)
                        .fma(g, Lanes.loadFloats(vs, i * 4).mul(c.beta2));
                Lanes.storeFloats(m, ms, i * 4);
                Lanes.storeFloats(v, vs, i * 4);
                FloatVector root = v.sqrt().fma(Lanes.all(c.inverseRoot), Lanes.all(c.epsilon));
                FloatVector u = s.weight(i)
                        .fma(Lanes.all(c.weightDecay), m.mul(c.inverse).div(root));
                u.intoArray(directions, (int) (i - begin));
            }
        }

        static void weights(UpdateStreams s, long begin, long end, LambUpdate c, float negativeStep) {
            MemorySegment ms = s.buffer(0);
            MemorySegment vs = s.buffer(1);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                FloatVector w = s.weight(i);
                FloatVector m = Lanes.loadFloats(ms, i * 4);
                FloatVector v = Lanes.loadFloats(vs, i * 4);
                FloatVector root = v.sqrt().fma(Lanes.all(c.inverseRoot), Lanes.all(c.epsilon));
                FloatVector u = w.fma(Lanes.all(c.weightDecay), m.mul(c.inverse).div(root));
                s.setWeight(i, u.fma(Lanes.all(negativeStep), w));
            }
        }
    }
}
