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
            long vectorEnd = begin + (end - begin) / Loops.LANES * Loops.LANES;
            if (gradientType == ElementType.BF16) {
                if (weight != null) {
                    Loops.bf16ToBf16(gradient, state, begin, vectorEnd, c);
                } else {
                    Loops.bf16ToMaster(gradient, state, begin, vectorEnd, c);
                }
            } else if (weight != null) {
                Loops.floatsToBf16(gradient, state, begin, vectorEnd, c);
            } else {
                Loops.floatsToMaster(gradient, state, begin, vectorEnd, c);
            }
            for (long i = vectorEnd; i < end; i++) {
                scalar(Lanes.get(gradient, gradientType, i), state, i, c);
            }
        });
    }

    /** What a step writes. */
    private record State(MemorySegment master, MemorySegment m, MemorySegment v, MemorySegment weight) {}

    /** A step's numbers as the loops need them, rounded to float once. */
    private record Coefficients(
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

    /** The same operations as the vector loops, one element, for what a vector does not fill. */
    private static void scalar(float gradient, State state, long i, Coefficients c) {
        float w = state.master.get(ValueLayout.JAVA_FLOAT_UNALIGNED, i * 4);
        float m = state.m.get(ValueLayout.JAVA_FLOAT_UNALIGNED, i * 4);
        float v = state.v.get(ValueLayout.JAVA_FLOAT_UNALIGNED, i * 4);
        float g = Math.fma(c.l2, w, gradient * c.scale);
        m = Math.fma(c.oneMinusBeta1, g - m, m);
        v = Math.fma(c.oneMinusBeta2 * g, g, v * c.beta2);
        float root = Math.fma((float) Math.sqrt(v), c.inverseRoot, c.epsilon);
        w = w * c.keep + c.negativeStep * m / root;
        state.master.set(ValueLayout.JAVA_FLOAT_UNALIGNED, i * 4, w);
        state.m.set(ValueLayout.JAVA_FLOAT_UNALIGNED, i * 4, m);
        state.v.set(ValueLayout.JAVA_FLOAT_UNALIGNED, i * 4, v);
        if (state.weight != null) {
            state.weight.set(ValueLayout.JAVA_SHORT_UNALIGNED, i * 2, Bf16.fromFloat(w));
        }
    }

    /** Apart from the outer class, which must load where the Vector API is missing. */
    private static final class Loops {
        static final int LANES = Lanes.COUNT;

        static void bf16ToBf16(MemorySegment gradient, State state, long begin, long end, Coefficients c) {
            for (long i = begin; i < end; i += LANES) {
                Lanes.storeBf16(update(Lanes.loadBf16(gradient, i * 2), state, i, c), state.weight, i * 2);
            }
        }

        static void bf16ToMaster(MemorySegment gradient, State state, long begin, long end, Coefficients c) {
            for (long i = begin; i < end; i += LANES) {
                update(Lanes.loadBf16(gradient, i * 2), state, i, c);
            }
        }

        static void floatsToBf16(MemorySegment gradient, State state, long begin, long end, Coefficients c) {
            for (long i = begin; i < end; i += LANES) {
                Lanes.storeBf16(update(Lanes.loadFloats(gradient, i * 4), state, i, c), state.weight, i * 2);
            }
        }

        static void floatsToMaster(MemorySegment gradient, State state, long begin, long end, Coefficients c) {
            for (long i = begin; i < end; i += LANES) {
                update(Lanes.loadFloats(gradient, i * 4), state, i, c);
            }
        }

        /** Writes master and moments; returns the new weights. */
        private static FloatVector update(FloatVector gradient, State state, long i, Coefficients c) {
            FloatVector w = Lanes.loadFloats(state.master, i * 4);
            FloatVector m = Lanes.loadFloats(state.m, i * 4);
            FloatVector v = Lanes.loadFloats(state.v, i * 4);
            FloatVector g = w.fma(FloatVector.broadcast(Lanes.FLOATS, c.l2), gradient.mul(c.scale));
            m = g.sub(m).fma(FloatVector.broadcast(Lanes.FLOATS, c.oneMinusBeta1), m);
            v = g.mul(c.oneMinusBeta2).fma(g, v.mul(c.beta2));
            FloatVector root = v.sqrt()
                    .fma(
                            FloatVector.broadcast(Lanes.FLOATS, c.inverseRoot),
                            FloatVector.broadcast(Lanes.FLOATS, c.epsilon));
            w = w.mul(c.keep).add(m.mul(c.negativeStep).div(root));
            w.intoMemorySegment(state.master, i * 4, Lanes.ORDER);
            m.intoMemorySegment(state.m, i * 4, Lanes.ORDER);
            v.intoMemorySegment(state.v, i * 4, Lanes.ORDER);
            return w;
        }
    }
}
