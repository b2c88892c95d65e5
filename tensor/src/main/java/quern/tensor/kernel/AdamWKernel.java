package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;

/**
 * A step of Adam or AdamW in one pass over memory: reads the gradient, updates the fp32 master weights and both moments,
 * and writes the bf16 weights that the model computes with.
 *
 * <p>With g the scaled gradient, t the step, m̂ = m / (1 - β1^t) and v̂ = v / (1 - β2^t):
 * m = β1 m + (1 - β1) g; v = β2 v + (1 - β2) g²; w = w - lr · m̂ / (√v̂ + ε). Decoupled decay first takes w = w - lr · λ · w;
 * the L2 form adds λ w to g instead. Equal to {@code torch.optim.AdamW} and {@code torch.optim.Adam} (no amsgrad) up to
 * rounding; the corrections are computed in double, as there.
 *
 * <p>Kingma, Ba: <a href="https://arxiv.org/abs/1412.6980">Adam</a>; Loshchilov, Hutter: <a
 * href="https://arxiv.org/abs/1711.05101">Decoupled weight decay regularization</a>.
 */
public final class AdamWKernel {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

    private AdamWKernel() {}

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
     * @param gradientScale factor on the gradient before all else: clipping, or the inverse of a loss scale
     */
    public record Step(
            double learningRate,
            double beta1,
            double beta2,
            double epsilon,
            double weightDecay,
            boolean decoupled,
            long step,
            double gradientScale) {
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

    /**
     * Updates a parameter.
     *
     * @param gradient of the type given, read only
     * @param master fp32 weights, updated
     * @param firstMoment fp32 m, updated
     * @param secondMoment fp32 v, updated
     * @param weight bf16 weights, overwritten with the rounded master (to nearest, ties to even); null when the model
     *     computes with the master itself
     * @throws quern.recipe.QuernException failed when the kernels are not available
     * @throws IllegalArgumentException when a segment is too short
     */
    public static void step(
            MemorySegment gradient,
            ElementType gradientType,
            MemorySegment master,
            MemorySegment firstMoment,
            MemorySegment secondMoment,
            MemorySegment weight,
            long elements,
            Step step) {
        Kernels.require();
        Kernels.checkHolds("gradient", gradient, elements, gradientType.bytes());
        Kernels.checkWritable("master", master, elements, Float.BYTES);
        Kernels.checkWritable("first moment", firstMoment, elements, Float.BYTES);
        Kernels.checkWritable("second moment", secondMoment, elements, Float.BYTES);
        if (weight != null) {
            Kernels.checkWritable("weight", weight, elements, Short.BYTES);
        }
        Coefficients c = Coefficients.of(step);
        State state = new State(master, firstMoment, secondMoment, weight);
        Blocks.run(elements, (block, begin, end) -> {
            Tile tile = new Tile(gradientType, weight != null);
            for (long at = begin; at < end; at += Tile.SIZE) {
                int length = (int) Math.min(Tile.SIZE, end - at);
                tile.load(gradient, state, at, length);
                tile.update(c);
                tile.store(state, at, length);
            }
        });
    }

    /** What a step writes. */
    private record State(MemorySegment master, MemorySegment m, MemorySegment v, MemorySegment weight) {}

    /** A step's numbers as the loops need them, rounded to float once. */
    record Coefficients(
            float scale,
            float l2,
            float keep,
            float oneMinusBeta1,
            float beta2,
            float oneMinusBeta2,
            float inverseRoot,
            float epsilon,
            float negativeStep) {
        static Coefficients of(Step s) {
            double correction1 = 1 - Math.pow(s.beta1(), s.step());
            double correction2 = 1 - Math.pow(s.beta2(), s.step());
            return new Coefficients(
                    (float) s.gradientScale(),
                    s.decoupled() ? 0 : (float) s.weightDecay(),
                    s.decoupled() ? (float) (1 - s.learningRate() * s.weightDecay()) : 1,
                    (float) (1 - s.beta1()),
                    (float) s.beta2(),
                    (float) (1 - s.beta2()),
                    (float) (1 / Math.sqrt(correction2)),
                    (float) s.epsilon(),
                    (float) (-s.learningRate() / correction1));
        }
    }

    /**
     * A stretch of each array in the first cache. The compiler puts a barrier around every vector access to native memory
     * and so looks the segment up again each time; copying a tile in and out by whole stretches costs less.
     *
     * <p>Apart from the outer class, which must load where the Vector API is missing.
     */
    static final class Tile {
        /** Elements; a multiple of every vector length, 22 KB in all. */
        static final int SIZE = 1024;

        private final short[] gradient16;
        private final float[] gradient32;
        private final short[] weight16;
        final float[] w = new float[SIZE];
        final float[] m = new float[SIZE];
        final float[] v = new float[SIZE];

        Tile(ElementType gradientType, boolean writesWeight) {
            gradient16 = gradientType == ElementType.BF16 ? new short[SIZE] : null;
            gradient32 = gradientType == ElementType.FP32 ? new float[SIZE] : null;
            weight16 = writesWeight ? new short[SIZE] : null;
        }

        void load(MemorySegment gradient, State state, long at, int length) {
            loadWithoutMoments(gradient, state.master, at, length);
            MemorySegment.copy(state.m, FLOAT, at * 4, m, 0, length);
            MemorySegment.copy(state.v, FLOAT, at * 4, v, 0, length);
        }

        void loadWithoutMoments(MemorySegment gradient, MemorySegment master, long at, int length) {
            if (gradient16 != null) {
                MemorySegment.copy(gradient, SHORT, at * 2, gradient16, 0, length);
            } else {
                MemorySegment.copy(gradient, FLOAT, at * 4, gradient32, 0, length);
            }
            MemorySegment.copy(master, FLOAT, at * 4, w, 0, length);
        }

        void store(State state, long at, int length) {
            MemorySegment.copy(m, 0, state.m, FLOAT, at * 4, length);
            MemorySegment.copy(v, 0, state.v, FLOAT, at * 4, length);
            storeWithoutMoments(state.master, state.weight, at, length);
        }

        void storeWithoutMoments(MemorySegment master, MemorySegment weight, long at, int length) {
            MemorySegment.copy(w, 0, master, FLOAT, at * 4, length);
            if (weight16 != null) {
                MemorySegment.copy(weight16, 0, weight, SHORT, at * 2, length);
            }
        }

        /** Whole tiles always: what lies behind a short last stretch is computed and never stored. */
        void update(Coefficients c) {
            if (gradient16 != null) {
                updateBf16(gradient16, w, m, v, c);
            } else {
                updateFloats(gradient32, w, m, v, c);
            }
            if (weight16 != null) {
                round(w, weight16);
            }
        }

        private static void updateBf16(short[] gradient, float[] w, float[] m, float[] v, Coefficients c) {
            for (int i = 0; i < SIZE; i += Lanes.COUNT) {
                update(Lanes.loadBf16(gradient, i), w, m, v, i, c);
            }
        }

        private static void updateFloats(float[] gradient, float[] w, float[] m, float[] v, Coefficients c) {
            for (int i = 0; i < SIZE; i += Lanes.COUNT) {
                update(FloatVector.fromArray(Lanes.FLOATS, gradient, i), w, m, v, i, c);
            }
        }

        private static void round(float[] w, short[] weight) {
            for (int i = 0; i < SIZE; i += Lanes.COUNT) {
                Lanes.toBf16(FloatVector.fromArray(Lanes.FLOATS, w, i)).intoArray(weight, i);
            }
        }

        private static void update(FloatVector gradient, float[] ws, float[] ms, float[] vs, int i, Coefficients c) {
            FloatVector w = FloatVector.fromArray(Lanes.FLOATS, ws, i);
            FloatVector m = FloatVector.fromArray(Lanes.FLOATS, ms, i);
            FloatVector v = FloatVector.fromArray(Lanes.FLOATS, vs, i);
            FloatVector g = w.fma(FloatVector.broadcast(Lanes.FLOATS, c.l2), gradient.mul(c.scale));
            m = g.sub(m).fma(FloatVector.broadcast(Lanes.FLOATS, c.oneMinusBeta1), m);
            v = g.mul(c.oneMinusBeta2).fma(g, v.mul(c.beta2));
            FloatVector root = v.sqrt()
                    .fma(
                            FloatVector.broadcast(Lanes.FLOATS, c.inverseRoot),
                            FloatVector.broadcast(Lanes.FLOATS, c.epsilon));
            w = w.mul(c.keep).add(m.mul(c.negativeStep).div(root));
            w.intoArray(ws, i);
            m.intoArray(ms, i);
            v.intoArray(vs, i);
        }
    }
}
