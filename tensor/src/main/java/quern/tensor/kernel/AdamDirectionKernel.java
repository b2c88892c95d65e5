package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;

/**
 * Adam's direction in one pass over memory, for optimizers that take it in other coordinates than the weights':
 * m = β1 m + (1 - β1) g; v = β2 v + (1 - β2) g²; d = m̂ / (√v̂ + ε), where a hat divides by 1 - β^t.
 */
public final class AdamDirectionKernel {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private final float oneMinusBeta1;
    private final float beta2;
    private final float oneMinusBeta2;
    private final float inverse;
    private final float inverseRoot;
    private final float epsilon;

    /**
     * The numbers of a step.
     *
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param epsilon ε, added to the root
     * @param step t, from 1: how many gradients the moments then hold
     */
    public AdamDirectionKernel(double beta1, double beta2, double epsilon, long step) {
        oneMinusBeta1 = (float) (1 - beta1);
        this.beta2 = (float) beta2;
        oneMinusBeta2 = (float) (1 - beta2);
        inverse = (float) (1 / (1 - Math.pow(beta1, step)));
        inverseRoot = (float) (1 / Math.sqrt(1 - Math.pow(beta2, step)));
        this.epsilon = (float) epsilon;
    }

    /**
     * Takes a gradient into the moments and writes the direction, all fp32, on the calling thread.
     *
     * @param direction overwritten; may be the gradient's memory
     * @throws quern.recipe.QuernException failed when the kernels are not available
     * @throws IllegalArgumentException when a segment is too short, or read-only where the kernel writes
     */
    public void run(
            MemorySegment gradient, MemorySegment first, MemorySegment second, MemorySegment direction, long elements) {
        Kernels.require();
        Kernels.checkHolds("gradient", gradient, elements, Float.BYTES);
        Kernels.checkWritable("first moment", first, elements, Float.BYTES);
        Kernels.checkWritable("second moment", second, elements, Float.BYTES);
        Kernels.checkWritable("direction", direction, elements, Float.BYTES);
        long vectorEnd = Loop.run(this, gradient, first, second, direction, elements);
        for (long i = vectorEnd; i < elements; i++) {
            element(gradient, first, second, direction, i);
        }
    }

    private void element(
            MemorySegment gradient, MemorySegment first, MemorySegment second, MemorySegment direction, long i) {
        float g = gradient.getAtIndex(FLOAT, i);
        float m = first.getAtIndex(FLOAT, i);
        m = Math.fma(g - m, oneMinusBeta1, m);
        float v = Math.fma(g * oneMinusBeta2, g, second.getAtIndex(FLOAT, i) * beta2);
        first.setAtIndex(FLOAT, i, m);
        second.setAtIndex(FLOAT, i, v);
        direction.setAtIndex(FLOAT, i, m * inverse / Math.fma((float) Math.sqrt(v), inverseRoot, epsilon));
    }

    /** Apart from the outer class, which must load where the Vector API is missing. */
    private static final class Loop {
        /** Gives where the whole vectors end. */
        static long run(
                AdamDirectionKernel c,
                MemorySegment gs,
                MemorySegment ms,
                MemorySegment vs,
                MemorySegment direction,
                long elements) {
            long end = elements / Lanes.COUNT * Lanes.COUNT;
            for (long i = 0; i < end; i += Lanes.COUNT) {
                FloatVector g = Lanes.loadFloats(gs, i * 4);
                FloatVector m = Lanes.loadFloats(ms, i * 4);
                m = g.sub(m).fma(Lanes.all(c.oneMinusBeta1), m);
                FloatVector v = g.mul(c.oneMinusBeta2)
                        .fma(g, Lanes.loadFloats(vs, i * 4).mul(c.beta2));
                Lanes.storeFloats(m, ms, i * 4);
                Lanes.storeFloats(v, vs, i * 4);
                FloatVector root = v.sqrt().fma(Lanes.all(c.inverseRoot), Lanes.all(c.epsilon));
                Lanes.storeFloats(m.mul(c.inverse).div(root), direction, i * 4);
            }
            return end;
        }
    }
}
