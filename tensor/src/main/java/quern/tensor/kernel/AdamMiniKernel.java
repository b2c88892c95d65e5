package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;

/**
 * A step of Adam-mini in one pass over memory: a block's gradients are squared and summed, and while they are still in a
 * cache its elements are updated. m = β1 m + (1 - β1) g; v = β2 v + (1 - β2) · mean of g² over the block;
 * w = (1 - lr · λ) w - lr · m̂ / (√v̂ + ε), where a hat divides by 1 - β^t.
 *
 * <p>Zhang et al.: <a href="https://arxiv.org/abs/2406.16793">Adam-mini: use fewer learning rates to gain more</a>.
 */
public final class AdamMiniKernel {
    private final UpdateKernel.Memory memory;
    private final MemorySegment seconds;
    private final long blockLength;
    private final float scale;
    private final AdamUpdate.Step step;

    /**
     * A step with one parameter.
     *
     * @param memory of the parameter, whose one buffer is m
     * @param seconds v, fp32, a number a block
     * @param blockLength elements of a block, which lie one after another; the elements are whole blocks
     * @param scale factor on the gradient before all else
     * @param step the numbers, with decoupled decay
     * @throws IllegalArgumentException when the memory does not fit, or the decay is not decoupled
     */
    public AdamMiniKernel(
            UpdateKernel.Memory memory, MemorySegment seconds, long blockLength, float scale, AdamUpdate.Step step) {
        if (blockLength < 1 || memory.elements() % blockLength != 0) {
            throw new IllegalArgumentException(
                    "%d elements, expected whole blocks of %d".formatted(memory.elements(), blockLength));
        }
        if (memory.buffers().size() != 1 || !memory.coded().isEmpty() || !step.decoupled()) {
            throw new IllegalArgumentException("Adam-mini has one buffer, no coded ones, and decoupled decay");
        }
        Kernels.checkWritable("second moments", seconds, memory.elements() / blockLength, Float.BYTES);
        this.memory = memory;
        this.seconds = seconds;
        this.blockLength = blockLength;
        this.scale = scale;
        this.step = step;
    }

    /**
     * Updates {@code length} elements from {@code begin} on, whole blocks, on the calling thread.
     *
     * @throws quern.recipe.QuernException failed when the kernels are not available
     * @throws IndexOutOfBoundsException when the elements are no whole blocks, or not all inside the memory
     */
    public void step(long begin, long length) {
        Kernels.require();
        if (begin < 0
                || length < 0
                || begin + length > memory.elements()
                || begin % blockLength != 0
                || length % blockLength != 0) {
            throw new IndexOutOfBoundsException("elements %d to %d of %d in blocks of %d"
                    .formatted(begin, begin + length, memory.elements(), blockLength));
        }
        new Loops(this).run(begin, begin + length);
    }

    /** Apart from the outer class, which must load where the Vector API is missing. */
    private static final class Loops {
        private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
        /** Elements whose squares are summed in fp32; such sums are added in double. */
        private static final int STRETCH = 4096;

        private final UpdateStreams streams;
        private final UpdateKernel.Memory memory;
        private final MemorySegment firsts;
        private final MemorySegment seconds;
        private final long blockLength;
        private final float scale;
        private final double beta2;
        private final double inverseRoot;
        private final double epsilon;
        private final double negativeStep;
        private final float oneMinusBeta1;
        private final float keep;
        private final float[] lanes = new float[Lanes.COUNT];

        Loops(AdamMiniKernel kernel) {
            AdamUpdate.Step s = kernel.step;
            streams = new UpdateStreams(kernel.memory, kernel.scale);
            memory = kernel.memory;
            firsts = memory.buffers().getFirst();
            seconds = kernel.seconds;
            blockLength = kernel.blockLength;
            scale = kernel.scale;
            beta2 = s.beta2();
            inverseRoot = 1 / Math.sqrt(1 - Math.pow(s.beta2(), s.step()));
            epsilon = s.epsilon();
            negativeStep = -s.learningRate() / (1 - Math.pow(s.beta1(), s.step()));
            oneMinusBeta1 = (float) (1 - s.beta1());
            keep = (float) (1 - s.learningRate() * s.weightDecay());
        }

        void run(long begin, long end) {
            for (long at = begin; at < end; at += blockLength) {
                block(at, at + blockLength);
            }
        }

        private void block(long begin, long end) {
            long vectorEnd = begin + (end - begin) / Lanes.COUNT * Lanes.COUNT;
            double squares = 0;
            for (long at = begin; at < vectorEnd; at += STRETCH) {
                squares += Lanes.sum(squares(streams, at, Math.min(vectorEnd, at + STRETCH)), lanes);
            }
            for (long i = vectorEnd; i < end; i++) {
                double g = gradient(i);
                squares += g * g;
            }
            long index = begin / blockLength;
            double v = beta2 * seconds.getAtIndex(FLOAT, index) + (1 - beta2) * squares / blockLength;
            seconds.setAtIndex(FLOAT, index, (float) v);
            float factor = (float) (negativeStep / (Math.sqrt(v) * inverseRoot + epsilon));
            update(streams, firsts, begin, vectorEnd, oneMinusBeta1, keep, factor);
            for (long i = vectorEnd; i < end; i++) {
                update(i, factor);
            }
        }

        /** Four sums side by side, since each addition waits for the one before. */
        private static FloatVector squares(UpdateStreams s, long begin, long end) {
            FloatVector a = FloatVector.zero(Lanes.FLOATS);
            FloatVector b = a;
            FloatVector c = a;
            FloatVector d = a;
            long n = Lanes.COUNT;
            long i = begin;
            for (; i + 4 * n <= end; i += 4 * n) {
                FloatVector g = s.gradient(i);
                a = g.fma(g, a);
                FloatVector h = s.gradient(i + n);
                b = h.fma(h, b);
                FloatVector j = s.gradient(i + 2 * n);
                c = j.fma(j, c);
                FloatVector k = s.gradient(i + 3 * n);
                d = k.fma(k, d);
            }
            for (; i < end; i += n) {
                FloatVector g = s.gradient(i);
                a = g.fma(g, a);
            }
            return a.add(b).add(c.add(d));
        }

        private static void update(
                UpdateStreams s,
                MemorySegment ms,
                long begin,
                long end,
                float oneMinusBeta1,
                float keep,
                float factor) {
            for (long i = begin; i < end; i += Lanes.COUNT) {
                FloatVector m = Lanes.loadFloats(ms, i * 4);
                m = s.gradient(i).sub(m).fma(Lanes.all(oneMinusBeta1), m);
                Lanes.storeFloats(m, ms, i * 4);
                s.setWeight(i, m.fma(Lanes.all(factor), s.weight(i).mul(keep)));
            }
        }

        private float gradient(long i) {
            return Lanes.get(memory.gradient(), memory.gradientType(), i) * scale;
        }

        private void update(long i, float factor) {
            float m = firsts.getAtIndex(FLOAT, i);
            m = Math.fma(gradient(i) - m, oneMinusBeta1, m);
            firsts.setAtIndex(FLOAT, i, m);
            float w = Math.fma(m, factor, memory.weight().getAtIndex(FLOAT, i) * keep);
            memory.weight().setAtIndex(FLOAT, i, w);
            if (memory.narrow() != null) {
                Lanes.set(memory.narrow(), ElementType.BF16, i, w);
            }
        }
    }
}
