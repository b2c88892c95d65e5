package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import quern.tensor.kernel.DecoderBlockKernel.NormSlot;

/**
 * Layer norm (Ba et al. 2016, arXiv:1607.06450) and root-mean-square norm (Zhang and Sennrich 2019, arXiv:1910.07467) of
 * rows in arrays, forward and backward. With x̂ = (x - μ)/σ (μ = 0 for the latter) and g = dy·w, the gradient is
 * (g - mean(g) - x̂·mean(g·x̂))/σ, without mean(g) for the latter.
 */
final class RowNorm {
    private final boolean centred;
    private final int width;
    private final float eps;
    private final float[] weight;
    private final float[] bias;

    /**
     * A norm over rows of {@code width}.
     *
     * @param centred layer norm
     * @param weight padded to whole vectors with zeros
     * @param bias likewise, or null
     */
    RowNorm(boolean centred, int width, double eps, float[] weight, float[] bias) {
        this.centred = centred;
        this.width = width;
        this.eps = (float) eps;
        this.weight = weight;
        this.bias = bias;
    }

    /** The norm of a slot, whose vectors are copied. */
    static RowNorm of(NormSlot slot, ElementType type, boolean centred, int width, double eps) {
        return new RowNorm(centred, width, eps, vector(slot.weight(), type, width), vector(slot.bias(), type, width));
    }

    private static float[] vector(MemorySegment values, ElementType type, int width) {
        if (values == null) {
            return null;
        }
        float[] array = new float[Gemm.padColumns(width)];
        HeapRows.load(values, type, 0, array, 0, width);
        return array;
    }

    /**
     * Normalises rows of x into y.
     *
     * @param stride distance of rows in both; columns from {@code width} on are zero in x, and are in y
     */
    void forward(float[] x, float[] y, int rows, int stride, float[] scratch) {
        PartClock.Part before = PartClock.enter(PartClock.Part.NORM);
        for (int row = 0; row < rows; row++) {
            int at = row * stride;
            float mean = mean(x, at, scratch);
            float inverse = inverseDeviation(x, at, mean, scratch);
            FloatVector shift = FloatVector.broadcast(Lanes.FLOATS, mean);
            for (int i = 0; i < width; i += Lanes.COUNT) {
                FloatVector normal = Lanes.load(x, at + i).sub(shift).mul(inverse);
                FloatVector w = Lanes.load(weight, i);
                (bias == null ? normal.mul(w) : normal.fma(w, Lanes.load(bias, i))).intoArray(y, at + i);
            }
        }
        PartClock.leave(before);
    }

    /**
     * Adds the gradient of x to dx, and those of the weights to their sums.
     *
     * @param dy gradient of the result; columns from {@code width} on are zero
     * @param dWeight padded like the weight
     * @param dBias likewise, or null
     */
    void backward(
            float[] x, float[] dy, float[] dx, int rows, int stride, float[] dWeight, float[] dBias, float[] scratch) {
        PartClock.Part before = PartClock.enter(PartClock.Part.NORM);
        for (int row = 0; row < rows; row++) {
            int at = row * stride;
            float mean = mean(x, at, scratch);
            float inverse = inverseDeviation(x, at, mean, scratch);
            FloatVector shift = FloatVector.broadcast(Lanes.FLOATS, mean);
            FloatVector sums = FloatVector.zero(Lanes.FLOATS);
            FloatVector products = sums;
            for (int i = 0; i < width; i += Lanes.COUNT) {
                FloatVector normal = Lanes.load(x, at + i).sub(shift).mul(inverse);
                FloatVector d = Lanes.load(dy, at + i);
                FloatVector g = d.mul(Lanes.load(weight, i));
                sums = sums.add(g);
                products = g.fma(normal, products);
                d.fma(normal, Lanes.load(dWeight, i)).intoArray(dWeight, i);
                if (dBias != null) {
                    d.add(Lanes.load(dBias, i)).intoArray(dBias, i);
                }
            }
            float meanOfG = centred ? Lanes.sum(sums, scratch) / width : 0;
            float meanOfProducts = Lanes.sum(products, scratch) / width;
            for (int i = 0; i < width; i += Lanes.COUNT) {
                FloatVector normal = Lanes.load(x, at + i).sub(shift).mul(inverse);
                FloatVector g = Lanes.load(dy, at + i).mul(Lanes.load(weight, i));
                FloatVector d = g.sub(meanOfG).sub(normal.mul(meanOfProducts)).mul(inverse);
                d.add(Lanes.load(dx, at + i)).intoArray(dx, at + i);
            }
        }
        PartClock.leave(before);
    }

    private float mean(float[] x, int at, float[] scratch) {
        if (!centred) {
            return 0;
        }
        FloatVector sums = FloatVector.zero(Lanes.FLOATS);
        for (int i = 0; i < width; i += Lanes.COUNT) {
            sums = sums.add(Lanes.load(x, at + i));
        }
        return Lanes.sum(sums, scratch) / width;
    }

    private float inverseDeviation(float[] x, int at, float mean, float[] scratch) {
        FloatVector squares = FloatVector.zero(Lanes.FLOATS);
        FloatVector shift = FloatVector.broadcast(Lanes.FLOATS, mean);
        int whole = width / Lanes.COUNT * Lanes.COUNT;
        for (int i = 0; i < whole; i += Lanes.COUNT) {
            FloatVector d = Lanes.load(x, at + i).sub(shift);
            squares = d.fma(d, squares);
        }
        if (whole < width) {
            FloatVector d = Lanes.load(x, at + whole)
                    .sub(shift)
                    .blend(0f, Lanes.FLOATS.indexInRange(whole, width).not());
            squares = d.fma(d, squares);
        }
        return (float) (1 / Math.sqrt(Lanes.sum(squares, scratch) / width + eps));
    }
}
