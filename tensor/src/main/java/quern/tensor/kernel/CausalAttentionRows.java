package quern.tensor.kernel;

import jdk.incubator.vector.FloatVector;

/**
 * Causal attention of one sequence over some of its heads, forward and backward, in arrays. A strip of query rows at a time
 * meets the keys up to its own end only, and no more than a strip's scores exist; the backward computes them again (Dao et al.
 * 2022, arXiv:2205.14135, without its running maximum: a strip holds whole rows). With P the pattern and O the result,
 * dS = P·(dP - Σ dP·P), row by row.
 *
 * <p>A row of {@code qkv} holds the queries of the heads, then the keys, then the values of the key-value heads.
 */
final class CausalAttentionRows {
    private static final int STRIP = 32;

    private final int heads;
    private final int keyValueHeads;
    private final int width;
    private final int length;
    private final float scale;
    /** Distance of rows in qkv. */
    final int stride;
    /** Distance of rows in the result. */
    final int outputStride;

    private final int paddedWidth;
    private final int scoreStride;
    private final float[] keysPacked;
    private final float[] valuesPacked;
    private final float[] scores;
    private final float[] scoreGradient;
    private final float[] head;
    private final float[] keyGradient;
    private final float[] valueGradient;
    private final float[] scratch = new float[Lanes.COUNT];

    /**
     * Room for sequences of {@code length}.
     *
     * @param heads query heads here, a multiple of {@code keyValueHeads}
     * @param width of a head
     */
    CausalAttentionRows(int heads, int keyValueHeads, int width, int length, double scale) {
        this.heads = heads;
        this.keyValueHeads = keyValueHeads;
        this.width = width;
        this.length = length;
        this.scale = (float) scale;
        this.stride = (heads + 2 * keyValueHeads) * width;
        this.outputStride = heads * width;
        paddedWidth = Gemm.padColumns(width);
        scoreStride = Gemm.padColumns(length);
        keysPacked = new float[Gemm.packedLength(width, length)];
        valuesPacked = new float[Gemm.packedLength(width, length)];
        scores = new float[STRIP * scoreStride];
        scoreGradient = new float[STRIP * scoreStride];
        head = new float[STRIP * paddedWidth];
        keyGradient = new float[Gemm.padRows(length) * paddedWidth];
        valueGradient = new float[Gemm.padRows(length) * paddedWidth];
    }

    /** The floats an array of {@code length} rows of {@code stride} needs, read-ahead of the products included. */
    static int room(int length, int stride) {
        return Gemm.padRows(length) * stride + Gemm.padColumns(1);
    }

    /** qkv to the heads' results. */
    void forward(float[] qkv, float[] y) {
        for (int kv = 0; kv < keyValueHeads; kv++) {
            int group = heads / keyValueHeads;
            int keys = (heads + kv) * width;
            int values = (heads + keyValueHeads + kv) * width;
            pack(qkv, keys, keysPacked);
            for (int h = kv * group; h < (kv + 1) * group; h++) {
                for (int first = 0; first < length; first += STRIP) {
                    int rows = Math.min(STRIP, length - first);
                    int limit = first + rows;
                    pattern(qkv, h * width, first, rows, limit);
                    Gemm.multiply(
                            Gemm.View.rows(scores, 0, scoreStride),
                            Gemm.View.rows(qkv, values, stride),
                            Gemm.View.rows(head, 0, paddedWidth),
                            Gemm.padRows(rows),
                            width,
                            limit,
                            false);
                    copy(head, y, first * outputStride + h * width, outputStride, rows);
                }
            }
        }
    }

    /** Writes the gradient of qkv, given that of the results. */
    void backward(float[] qkv, float[] dy, float[] dQkv) {
        int group = heads / keyValueHeads;
        for (int kv = 0; kv < keyValueHeads; kv++) {
            int keys = (heads + kv) * width;
            int values = (heads + keyValueHeads + kv) * width;
            pack(qkv, keys, keysPacked);
            pack(qkv, values, valuesPacked);
            java.util.Arrays.fill(keyGradient, 0);
            java.util.Arrays.fill(valueGradient, 0);
            for (int h = kv * group; h < (kv + 1) * group; h++) {
                for (int first = 0; first < length; first += STRIP) {
                    strip(qkv, dy, dQkv, h, keys, first);
                }
            }
            copy(keyGradient, dQkv, keys, stride, length);
            copy(valueGradient, dQkv, values, stride, length);
        }
    }

    private void strip(float[] qkv, float[] dy, float[] dQkv, int h, int keys, int first) {
        int rows = Math.min(STRIP, length - first);
        int limit = first + rows;
        int queries = first * stride + h * width;
        int results = first * outputStride + h * width;
        Gemm.View strip = Gemm.View.rows(scoreGradient, 0, scoreStride);
        pattern(qkv, h * width, first, rows, limit);
        Gemm.multiplyPacked(
                Gemm.View.rows(dy, results, outputStride),
                valuesPacked,
                strip,
                Gemm.padRows(rows),
                limit,
                width,
                false);
        for (int row = 0; row < rows; row++) {
            softmaxBackward(row * scoreStride, Gemm.padColumns(limit));
        }
        Gemm.multiply(
                strip,
                Gemm.View.rows(qkv, keys, stride),
                Gemm.View.rows(head, 0, paddedWidth),
                Gemm.padRows(rows),
                width,
                limit,
                false);
        copy(head, dQkv, queries, stride, rows);
        int keyRows = Gemm.padRows(limit);
        Gemm.multiply(
                Gemm.View.transposed(scoreGradient, 0, scoreStride),
                Gemm.View.rows(qkv, queries, stride),
                Gemm.View.rows(keyGradient, 0, paddedWidth),
                keyRows,
                width,
                rows,
                true);
        Gemm.multiply(
                Gemm.View.transposed(scores, 0, scoreStride),
                Gemm.View.rows(dy, results, outputStride),
                Gemm.View.rows(valueGradient, 0, paddedWidth),
                keyRows,
                width,
                rows,
                true);
    }

    private void pack(float[] qkv, int at, float[] packed) {
        Gemm.pack(qkv, at, stride, length, width, packed, 0, Math.ceilDiv(length, Gemm.PANEL));
    }

    /** The softmax of a strip's scores; zero where a key is later than the query. */
    private void pattern(float[] qkv, int queries, int first, int rows, int limit) {
        Gemm.multiplyPacked(
                Gemm.View.rows(qkv, first * stride + queries, stride),
                keysPacked,
                Gemm.View.rows(scores, 0, scoreStride),
                Gemm.padRows(rows),
                limit,
                width,
                false);
        for (int row = 0; row < rows; row++) {
            softmax(row * scoreStride, first + row + 1, Gemm.padColumns(limit));
        }
    }

    private void softmax(int at, int visible, int end) {
        java.util.Arrays.fill(scores, at + visible, at + end, Float.NEGATIVE_INFINITY);
        int n = Math.ceilDiv(visible, Lanes.COUNT) * Lanes.COUNT;
        FloatVector maxima = load(scores, at);
        for (int i = Lanes.COUNT; i < n; i += Lanes.COUNT) {
            maxima = maxima.max(load(scores, at + i));
        }
        // The largest of scaled scores: a negative scale would turn the order around.
        float max = maximum(maxima) * scale;
        FloatVector sums = FloatVector.zero(Lanes.FLOATS);
        FloatVector factor = FloatVector.broadcast(Lanes.FLOATS, scale);
        FloatVector shift = FloatVector.broadcast(Lanes.FLOATS, -max);
        for (int i = 0; i < n; i += Lanes.COUNT) {
            FloatVector e = Lanes.exp(load(scores, at + i).fma(factor, shift));
            e.intoArray(scores, at + i);
            sums = sums.add(e);
        }
        float inverse = (float) (1 / Lanes.sum(sums, scratch));
        for (int i = 0; i < n; i += Lanes.COUNT) {
            load(scores, at + i).mul(inverse).intoArray(scores, at + i);
        }
        java.util.Arrays.fill(scores, at + n, at + end, 0);
    }

    private float maximum(FloatVector maxima) {
        maxima.intoArray(scratch, 0);
        float max = scratch[0];
        for (int i = 1; i < Lanes.COUNT; i++) {
            max = Math.max(max, scratch[i]);
        }
        return max;
    }

    private void softmaxBackward(int at, int end) {
        FloatVector products = FloatVector.zero(Lanes.FLOATS);
        for (int i = 0; i < end; i += Lanes.COUNT) {
            products = load(scores, at + i).fma(load(scoreGradient, at + i), products);
        }
        float mean = (float) Lanes.sum(products, scratch);
        for (int i = 0; i < end; i += Lanes.COUNT) {
            load(scores, at + i)
                    .mul(load(scoreGradient, at + i).sub(mean))
                    .mul(scale)
                    .intoArray(scoreGradient, at + i);
        }
    }

    private void copy(float[] from, float[] to, int at, int toStride, int rows) {
        for (int row = 0; row < rows; row++) {
            System.arraycopy(from, row * paddedWidth, to, at + row * toStride, width);
        }
    }

    private static FloatVector load(float[] x, int i) {
        return FloatVector.fromArray(Lanes.FLOATS, x, i);
    }
}
