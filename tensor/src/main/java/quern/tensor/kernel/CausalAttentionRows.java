package quern.tensor.kernel;

import java.util.Arrays;
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
    private final int most;
    private final float scale;
    /** Distance of rows in qkv. */
    final int stride;
    /** Distance of rows in the result. */
    final int outputStride;

    private final int paddedWidth;
    private int length;
    private int scoreStride;
    private final float[] keysPacked;
    private final float[] valuesPacked;
    private final float[] scores;
    private final float[] scoreGradient;
    private final float[] head;
    private final float[] headPanels;
    private final float[] keyRowPanels;
    private final float[] scoreEights;
    private final float[] keyGradient;
    private final float[] valueGradient;
    private final float[] scratch = new float[Lanes.COUNT];

    /**
     * Room for sequences of at most {@code most} tokens.
     *
     * @param heads query heads here, a multiple of {@code keyValueHeads}
     * @param width of a head
     */
    CausalAttentionRows(int heads, int keyValueHeads, int width, int most, double scale) {
        this.heads = heads;
        this.keyValueHeads = keyValueHeads;
        this.width = width;
        this.most = most;
        this.scale = (float) scale;
        this.stride = (heads + 2 * keyValueHeads) * width;
        this.outputStride = heads * width;
        paddedWidth = Gemm.padColumns(width);
        int columns = Gemm.padColumns(most);
        keysPacked = new float[Gemm.panelsLength(width, most)];
        valuesPacked = new float[Gemm.panelsLength(width, most)];
        scores = new float[STRIP * columns];
        scoreGradient = new float[STRIP * columns];
        head = new float[STRIP * paddedWidth];
        headPanels = new float[Gemm.panelsLength(STRIP, width)];
        keyRowPanels = new float[Gemm.panelsLength(most, width)];
        scoreEights = new float[Gemm.eightsLength(STRIP, most)];
        keyGradient = new float[Gemm.padRows(most) * paddedWidth];
        valueGradient = new float[Gemm.padRows(most) * paddedWidth];
    }

    /**
     * The floats an array of {@code length} rows of {@code stride} needs, read-ahead of the products included. A sequence may begin
     * at any of the rows, so what the last one is padded to may lie beyond what all rows together are.
     */
    static int room(int length, int stride) {
        return (length + Gemm.padRows(1) - 1) * stride + Gemm.padColumns(1);
    }

    private void begin(int tokens) {
        if (tokens > most) {
            throw new IllegalArgumentException("a sequence of " + tokens + " tokens, but there is room for " + most);
        }
        length = tokens;
        scoreStride = Gemm.padColumns(tokens);
    }

    /** qkv, from element {@code at} on, to the heads' results, from {@code yAt} on, of a sequence of so many tokens. */
    void forward(float[] qkv, int at, float[] y, int yAt, int tokens) {
        forward(qkv, at, y, yAt, 0, tokens);
    }

    /** As above, the results of tokens {@code from} on alone. */
    void forward(float[] qkv, int at, float[] y, int yAt, int from, int tokens) {
        begin(tokens);
        for (int kv = 0; kv < keyValueHeads; kv++) {
            int group = heads / keyValueHeads;
            int keys = at + (heads + kv) * width;
            int values = at + (heads + keyValueHeads + kv) * width;
            pack(qkv, keys, keysPacked);
            Gemm.panels(new Gemm.Rows(qkv, values, stride), length, width, keyRowPanels);
            for (int h = kv * group; h < (kv + 1) * group; h++) {
                for (int first = from; first < length; first += STRIP) {
                    int rows = Math.min(STRIP, length - first);
                    pattern(qkv, at + h * width, first, rows, first + rows);
                    mix(scores, rows, first + rows);
                    copy(head, y, yAt + first * outputStride + h * width, outputStride, rows);
                }
            }
        }
    }

    /**
     * Writes the gradient of qkv, given that of the results, of a sequence of so many tokens; each begins at an element of its
     * own.
     */
    void backward(float[] qkv, int at, float[] dy, int dyAt, float[] dQkv, int dQkvAt, int tokens) {
        backward(qkv, at, dy, dyAt, dQkv, dQkvAt, 0, tokens);
    }

    /**
     * As above of the results of tokens {@code from} on alone, the only ones that {@code dy} is read at: the gradients of all
     * keys and values, and of the queries of these tokens; other queries' are not written.
     */
    void backward(float[] qkv, int at, float[] dy, int dyAt, float[] dQkv, int dQkvAt, int from, int tokens) {
        begin(tokens);
        int padded = Gemm.padRows(length) * paddedWidth;
        int group = heads / keyValueHeads;
        for (int kv = 0; kv < keyValueHeads; kv++) {
            int keys = (heads + kv) * width;
            int values = (heads + keyValueHeads + kv) * width;
            pack(qkv, at + keys, keysPacked);
            pack(qkv, at + values, valuesPacked);
            Gemm.panels(new Gemm.Rows(qkv, at + keys, stride), length, width, keyRowPanels);
            Arrays.fill(keyGradient, 0, padded, 0);
            Arrays.fill(valueGradient, 0, padded, 0);
            for (int h = kv * group; h < (kv + 1) * group; h++) {
                for (int first = from; first < length; first += STRIP) {
                    strip(
                            new Gemm.Rows(qkv, at + h * width, stride),
                            new Gemm.Rows(dy, dyAt + h * width, outputStride),
                            new Gemm.Rows(dQkv, dQkvAt + h * width, stride),
                            first);
                }
            }
            copy(keyGradient, dQkv, dQkvAt + keys, stride, length);
            copy(valueGradient, dQkv, dQkvAt + values, stride, length);
        }
    }

    /** The share of a strip of a head's queries: their gradient, and what they add to those of keys and values. */
    private void strip(Gemm.Rows q, Gemm.Rows dy, Gemm.Rows dQ, int first) {
        int rows = Math.min(STRIP, length - first);
        int limit = first + rows;
        Gemm.Rows queries = q.from(first);
        Gemm.Rows results = dy.from(first);
        pattern(q.data(), q.at(), first, rows, limit);
        Gemm.multiply(
                results,
                valuesPacked,
                new Gemm.Rows(scoreGradient, 0, scoreStride),
                Gemm.padRows(rows),
                limit,
                width,
                false);
        for (int row = 0; row < rows; row++) {
            // As far as the product above has written.
            softmaxBackward(row * scoreStride, Math.ceilDiv(limit, Gemm.PANEL) * Gemm.PANEL);
        }
        mix(scoreGradient, rows, limit);
        copy(head, dQ.data(), dQ.from(first).at(), stride, rows);
        addTransposed(scoreGradient, queries, rows, limit, keyGradient);
        addTransposed(scores, results, rows, limit, valueGradient);
    }

    /** {@code head = weights·rows} over the keys before {@code limit}, the rows being those last laid in panels. */
    private void mix(float[] weights, int rows, int limit) {
        // A panel's rows lie one after another, so its first rows are those of fewer keys; the panels are as far apart
        // as
        // with all of them.
        for (int panel = 0; panel * Gemm.PANEL < width; panel++) {
            Gemm.multiplyPanel(
                    new Gemm.Rows(weights, 0, scoreStride),
                    keyRowPanels,
                    Gemm.START + panel * Gemm.PANEL * length,
                    new Gemm.Rows(head, panel * Gemm.PANEL, paddedWidth),
                    Gemm.padRows(rows),
                    limit,
                    false);
        }
    }

    /** {@code sums += weightsᵀ·x} for the keys before {@code limit}. */
    private void addTransposed(float[] weights, Gemm.Rows x, int rows, int limit, float[] sums) {
        Gemm.eights(new Gemm.Rows(weights, 0, scoreStride), rows, limit, scoreEights);
        Gemm.panels(x, rows, width, headPanels);
        Gemm.multiplyTransposed(
                scoreEights, headPanels, new Gemm.Rows(sums, 0, paddedWidth), Gemm.padRows(limit), width, rows, true);
    }

    private void pack(float[] qkv, int at, float[] packed) {
        int panels = Math.ceilDiv(length, Gemm.PANEL);
        Gemm.panelsTransposed(new Gemm.Rows(qkv, at, stride), length, width, 0, panels, packed);
    }

    /** The softmax of a strip's scores; zero where a key is later than the query. */
    private void pattern(float[] qkv, int queries, int first, int rows, int limit) {
        Gemm.multiply(
                new Gemm.Rows(qkv, first * stride + queries, stride),
                keysPacked,
                new Gemm.Rows(scores, 0, scoreStride),
                Gemm.padRows(rows),
                limit,
                width,
                false);
        for (int row = 0; row < rows; row++) {
            softmax(row * scoreStride, first + row + 1, Gemm.padColumns(limit));
        }
    }

    private void softmax(int at, int visible, int end) {
        Arrays.fill(scores, at + visible, at + end, Float.NEGATIVE_INFINITY);
        int n = Math.ceilDiv(visible, Lanes.COUNT) * Lanes.COUNT;
        FloatVector maxima = Lanes.load(scores, at);
        for (int i = Lanes.COUNT; i < n; i += Lanes.COUNT) {
            maxima = maxima.max(Lanes.load(scores, at + i));
        }
        // The largest of scaled scores: a negative scale would turn the order around.
        float max = Lanes.maximum(maxima, scratch) * scale;
        FloatVector sums = FloatVector.zero(Lanes.FLOATS);
        FloatVector factor = FloatVector.broadcast(Lanes.FLOATS, scale);
        FloatVector shift = FloatVector.broadcast(Lanes.FLOATS, -max);
        for (int i = 0; i < n; i += Lanes.COUNT) {
            FloatVector e = Lanes.exp(Lanes.load(scores, at + i).fma(factor, shift));
            e.intoArray(scores, at + i);
            sums = sums.add(e);
        }
        float inverse = 1 / Lanes.sum(sums, scratch);
        for (int i = 0; i < n; i += Lanes.COUNT) {
            Lanes.load(scores, at + i).mul(inverse).intoArray(scores, at + i);
        }
        Arrays.fill(scores, at + n, at + end, 0);
    }

    private void softmaxBackward(int at, int end) {
        FloatVector products = FloatVector.zero(Lanes.FLOATS);
        for (int i = 0; i < end; i += Lanes.COUNT) {
            products = Lanes.load(scores, at + i).fma(Lanes.load(scoreGradient, at + i), products);
        }
        float mean = Lanes.sum(products, scratch);
        for (int i = 0; i < end; i += Lanes.COUNT) {
            Lanes.load(scores, at + i)
                    .mul(Lanes.load(scoreGradient, at + i).sub(mean))
                    .mul(scale)
                    .intoArray(scoreGradient, at + i);
        }
    }

    private void copy(float[] from, float[] to, int at, int toStride, int rows) {
        for (int row = 0; row < rows; row++) {
            System.arraycopy(from, row * paddedWidth, to, at + row * toStride, width);
        }
    }
}
