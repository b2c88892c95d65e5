package quern.tensor.kernel;

import jdk.incubator.vector.FloatVector;

/**
 * A step of LAMB, in two passes that need no memory of their own: {@link Moments} updates m and v and measures the
 * weights and the direction u = m̂ / (√v̂ + ε) + λw; {@link Weights} computes u again and takes w = w - lr · ratio · u.
 * Buffers: m, v.
 *
 * <p>You et al.: <a href="https://arxiv.org/abs/1904.00962">Large batch optimization for deep learning</a>.
 */
public final class LambUpdate {
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
        private final float[] direction = new float[UpdateKernel.TILE];
        private double weightSquares;
        private double directionSquares;

        /** The first pass of a step. */
        public Moments(LambUpdate numbers) {
            this.numbers = numbers;
        }

        @Override
        void apply(TileGradient gradient, float[] weight, float[][] buffers, int length) {
            gradient.copyTo(direction);
            Loops.moments(direction, weight, buffers[0], buffers[1], numbers);
            weightSquares += NormKernel.sumOfSquares(weight, length);
            directionSquares += NormKernel.sumOfSquares(direction, length);
        }

        @Override
        boolean writesWeight() {
            return false;
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
        void apply(TileGradient gradient, float[] weight, float[][] buffers, int length) {
            Loops.weights(weight, buffers[0], buffers[1], numbers, negativeStep);
        }

        @Override
        boolean readsGradient() {
            return false;
        }

        @Override
        boolean writesBuffers() {
            return false;
        }
    }

    private static final class Loops {
        /** Leaves u in the gradient's array. */
        static void moments(float[] gs, float[] ws, float[] ms, float[] vs, LambUpdate c) {
            for (int i = 0; i < ws.length; i += Lanes.COUNT) {
                FloatVector g = Lanes.load(gs, i);
                FloatVector m = Lanes.load(ms, i);
                m = g.sub(m).fma(Lanes.all(c.oneMinusBeta1), m);
                FloatVector v = g.mul(c.oneMinusBeta2).fma(g, Lanes.load(vs, i).mul(c.beta2));
                m.intoArray(ms, i);
                v.intoArray(vs, i);
                direction(Lanes.load(ws, i), m, v, c).intoArray(gs, i);
            }
        }

        static void weights(float[] ws, float[] ms, float[] vs, LambUpdate c, float negativeStep) {
            for (int i = 0; i < ws.length; i += Lanes.COUNT) {
                FloatVector w = Lanes.load(ws, i);
                direction(w, Lanes.load(ms, i), Lanes.load(vs, i), c)
                        .fma(Lanes.all(negativeStep), w)
                        .intoArray(ws, i);
            }
        }

        private static FloatVector direction(FloatVector w, FloatVector m, FloatVector v, LambUpdate c) {
            FloatVector root = v.sqrt().fma(Lanes.all(c.inverseRoot), Lanes.all(c.epsilon));
            return w.fma(Lanes.all(c.weightDecay), m.mul(c.inverse).div(root));
        }
    }
}
