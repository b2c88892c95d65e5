package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.ToIntFunction;

/**
 * One step of generation through a whole decoder: a token of each row goes through all pre-norm blocks, the last norm and the
 * head. Weights are read once, where they lie; keys and values of earlier tokens are read from the cache's buffers, and the
 * new ones written into them. Arithmetic is in fp32 whatever the storage, and nothing between the token's vector and the
 * logits is rounded but keys and values.
 *
 * <p>The results have the same bits for any number of threads. For one caller at a time.
 *
 * <p>Letters: B rows, D width, Q queries' and K keys' features, F inner features, V tokens.
 */
public final class DecodingKernel {
    /** The fewest outputs that a thread takes at once. */
    private static final int SHARE = 32;

    /** Shares of a product for each thread, so that one which starts late does fewer. */
    private static final int SHARES_A_THREAD = 4;

    /** A block: its sizes and its weights' memory. */
    public record Block(DecoderBlockKernel.Shape shape, DecoderBlockKernel.Weights weights) {}

    /**
     * What follows the blocks.
     *
     * @param centred layer norm; otherwise root-mean-square norm
     * @param slot the head [V, D]
     */
    public record Head(DecoderBlockKernel.NormSlot norm, boolean centred, double eps, DecoderBlockKernel.Slot slot) {}

    /**
     * A layer's cache: keys and values [B, KV, capacity, head], in the weights' type. Tokens up to {@code held} are there; the
     * step writes number {@code held}.
     *
     * @param start the place of the first token
     */
    public record Cache(MemorySegment keys, MemorySegment values, int capacity, int start, int held) {}

    /** A part of a product: the outputs {@code from} to before {@code to} of a slot, whose first is column {@code at}. */
    private record Share(FewRows.Matrix matrix, int from, int to, int at) {}

    /** One product of several slots side by side. */
    private static final class Product {
        final int in;
        final int out;
        final float[] bias;
        final List<Share> shares = new ArrayList<>();

        Product(ElementType type, int in, List<DecoderBlockKernel.Slot> slots) {
            this.in = in;
            out = slots.stream().mapToInt(DecoderBlockKernel.Slot::out).sum();
            bias = slots.stream().allMatch(s -> s.bias() == null) ? null : new float[out];
            int most = Math.max(SHARE, out / (SHARES_A_THREAD * KernelThreads.count()) / SHARE * SHARE);
            int at = 0;
            for (DecoderBlockKernel.Slot slot : slots) {
                Kernels.checkHolds("weight", slot.weight(), (long) slot.out() * in, type.bytes());
                FewRows.Matrix matrix = new FewRows.Matrix(slot.weight(), type, slot.out(), in);
                for (int from = 0; from < slot.out(); from += most) {
                    shares.add(new Share(matrix, from, Math.min(slot.out(), from + most), at));
                }
                if (slot.bias() != null) {
                    HeapRows.load(slot.bias(), type, 0, bias, at, slot.out());
                }
                at += slot.out();
            }
        }

        /** y [B, out] of x [B, in]; {@code eights} has room for x as {@link FewRows#eights}. */
        void run(float[] x, int rows, float[] y, float[] eights) {
            if (rows > 1) {
                FewRows.eights(x, rows, in, eights);
            }
            float[] laid = rows > 1 ? eights : x;
            KernelThreads.run(shares.size(), i -> {
                Share share = shares.get(i);
                FewRows.multiply(laid, rows, share.matrix, share.from, share.to, new FewRows.Results(y, share.at, out));
                if (bias != null) {
                    for (int row = 0; row < rows; row++) {
                        int first = row * out;
                        for (int o = share.at + share.from; o < share.at + share.to; o++) {
                            y[first + o] += bias[o];
                        }
                    }
                }
            });
        }
    }

    private static final class Layer {
        final DecoderBlockKernel.Shape shape;
        final RowNorm attentionNorm;
        final RowNorm feedForwardNorm;
        final Product inputs;
        final Product output;
        final Product ups;
        final Product down;

        Layer(ElementType type, Block block) {
            shape = block.shape;
            DecoderBlockKernel.Weights w = block.weights;
            attentionNorm = RowNorm.of(w.attentionNorm(), type, shape.centred(), shape.width(), shape.attentionEps());
            feedForwardNorm =
                    RowNorm.of(w.feedForwardNorm(), type, shape.centred(), shape.width(), shape.feedForwardEps());
            inputs = new Product(type, shape.width(), w.inputs());
            output = new Product(type, shape.queries(), List.of(w.output()));
            ups = new Product(type, shape.width(), w.ups());
            down = new Product(type, shape.inner(), List.of(w.down()));
        }
    }

    private final ElementType type;
    private final int rows;
    private final int width;
    private final List<Layer> layers;
    private final RowNorm headNorm;
    private final Product head;
    private final float[] x;
    private final float[] normed;
    private final float[] qkv;
    private final float[] attended;
    private final float[] inner;
    private final float[] hidden;
    private final float[] added;
    private final float[] logits;
    private final float[] eights;
    private final float[] normScratch = new float[Lanes.COUNT];
    private float[][] scores = {};

    /**
     * A decoder of these weights, which must stay where they are. Norms' weights and biases are copied now.
     *
     * @param rows B
     * @throws IllegalArgumentException when {@link #fits} says no to one of the sizes
     */
    public DecodingKernel(ElementType type, int rows, List<Block> blocks, Head head) {
        Kernels.require();
        if (rows < 1 || blocks.isEmpty() || !blocks.stream().allMatch(b -> fits(b.shape, b.weights)) || !fits(head)) {
            throw new IllegalArgumentException("a decoder of sizes that the kernel doesn't take");
        }
        this.type = type;
        this.rows = rows;
        width = blocks.getFirst().shape.width();
        layers = blocks.stream().map(b -> new Layer(type, b)).toList();
        headNorm = RowNorm.of(head.norm, type, head.centred, width, head.eps);
        this.head = new Product(type, width, List.of(head.slot));
        x = new float[rows * width];
        normed = new float[rows * width];
        added = new float[rows * width];
        qkv = new float[rows * most(DecoderBlockKernel.Shape::mapped)];
        attended = new float[rows * most(DecoderBlockKernel.Shape::queries)];
        inner = new float[rows * most(DecoderBlockKernel.Shape::up)];
        hidden = new float[rows * most(DecoderBlockKernel.Shape::inner)];
        logits = new float[rows * this.head.out];
        int widest = Math.max(
                width, Math.max(most(DecoderBlockKernel.Shape::queries), most(DecoderBlockKernel.Shape::inner)));
        eights = rows > 1 ? new float[FewRows.eightsLength(rows, widest)] : null;
    }

    private int most(ToIntFunction<DecoderBlockKernel.Shape> size) {
        return layers.stream().mapToInt(l -> size.applyAsInt(l.shape)).max().orElseThrow();
    }

    /** Whether the kernel takes a block of these sizes: products' inputs are whole vectors. */
    public static boolean fits(DecoderBlockKernel.Shape shape, DecoderBlockKernel.Weights weights) {
        List<DecoderBlockKernel.Slot> slots = new ArrayList<>(weights.inputs());
        slots.addAll(List.of(weights.output(), weights.down()));
        slots.addAll(weights.ups());
        return shape.width() % FewRows.UNIT == 0
                && shape.queries() % FewRows.UNIT == 0
                && shape.inner() % FewRows.UNIT == 0
                && slots.stream().allMatch(s -> s.out() >= FewRows.OUTPUTS);
    }

    /** Whether the kernel takes a head of this size. */
    public static boolean fits(Head head) {
        return head.slot.out() >= FewRows.OUTPUTS;
    }

    /** Sets the vector of a row's token to {@code factor} times a row of a table [.., D] of the weights' type. */
    public void setToken(int row, MemorySegment table, long token, float factor) {
        HeapRows.load(table, type, token * width, x, row * width, width);
        for (int i = row * width; factor != 1 && i < (row + 1) * width; i++) {
            x[i] *= factor;
        }
    }

    /** Adds a row of a table to the vector of a row's token. */
    public void addToToken(int row, MemorySegment table, long position) {
        HeapRows.load(table, type, position * width, added, 0, width);
        for (int i = 0; i < width; i++) {
            x[row * width + i] += added[i];
        }
    }

    /**
     * Takes the tokens through the decoder.
     *
     * @param caches one a block
     * @param firsts the first token of the cache that each row sees
     * @param cos [B, R/2], where R dimensions of a head turn, halves paired; null without rotary positions
     * @return the logits [B, V], the same array at each step
     */
    public float[] step(List<Cache> caches, int[] firsts, float[] cos, float[] sin) {
        for (int i = 0; i < layers.size(); i++) {
            block(layers.get(i), caches.get(i), firsts, cos, sin);
        }
        headNorm.forward(x, normed, rows, width, normScratch);
        head.run(normed, rows, logits, eights);
        return logits;
    }

    private void block(Layer l, Cache cache, int[] firsts, float[] cos, float[] sin) {
        DecoderBlockKernel.Shape shape = l.shape;
        l.attentionNorm.forward(x, normed, rows, width, normScratch);
        l.inputs.run(normed, rows, qkv, eights);
        int items = rows * shape.keyValueHeads();
        int length = cache.held + 1;
        if (scores.length < items || scores[0].length < length) {
            scores = new float[items][Math.ceilDiv(2 * length, Lanes.COUNT) * Lanes.COUNT];
        }
        KernelThreads.run(items, item -> {
            int row = item / shape.keyValueHeads();
            attend(shape, cache, row, item % shape.keyValueHeads(), firsts[row], cos, sin, scores[item]);
        });
        l.output.run(attended, rows, added, eights);
        HeapRows.add(x, added, x.length);
        l.feedForwardNorm.forward(x, normed, rows, width, normScratch);
        l.ups.run(normed, rows, inner, eights);
        int f = shape.inner();
        for (int row = 0; row < rows; row++) {
            if (shape.gated()) {
                int at = row * 2 * f;
                shape.activation().gated(inner, at, inner, at + f, hidden, row * f, f);
            } else {
                shape.activation().forward(inner, row * f, hidden, row * f, f);
            }
        }
        l.down.run(hidden, rows, added, eights);
        HeapRows.add(x, added, x.length);
    }

    /** Attention of the query heads that share a key-value head. */
    private void attend(
            DecoderBlockKernel.Shape shape,
            Cache cache,
            int row,
            int kv,
            int first,
            float[] cos,
            float[] sin,
            float[] weights) {
        int n = shape.headWidth();
        int at = row * shape.mapped();
        int key = at + shape.queries() + kv * n;
        int value = key + shape.keys();
        long memory = ((long) row * shape.keyValueHeads() + kv) * cache.capacity + cache.start;
        if (shape.rotary()) {
            turn(qkv, key, cos, sin, row);
        }
        HeapRows.store(qkv, key, cache.keys, type, (memory + cache.held) * n, n);
        HeapRows.store(qkv, value, cache.values, type, (memory + cache.held) * n, n);
        int group = shape.heads() / shape.keyValueHeads();
        int count = cache.held + 1 - first;
        float[] scratch = new float[FewRows.scratchLength()];
        for (int h = kv * group; h < (kv + 1) * group; h++) {
            int query = at + h * n;
            if (shape.rotary()) {
                turn(qkv, query, cos, sin, row);
            }
            FewRows.dots(
                    qkv,
                    query,
                    cache.keys,
                    type,
                    (memory + first) * n,
                    n,
                    count,
                    (float) shape.scale(),
                    weights,
                    scratch);
            softmax(weights, count);
            mix(weights, count, cache.values, (memory + first) * n, n, row * shape.queries() + h * n);
        }
    }

    /** Turns a head's first dimensions by the row's angles. */
    private void turn(float[] data, int at, float[] cos, float[] sin, int row) {
        int half = cos.length / rows;
        int angle = row * half;
        for (int i = 0; i < half; i++) {
            float a = data[at + i];
            float b = data[at + half + i];
            data[at + i] = a * cos[angle + i] - b * sin[angle + i];
            data[at + half + i] = b * cos[angle + i] + a * sin[angle + i];
        }
    }

    private static void softmax(float[] weights, int count) {
        float max = Float.NEGATIVE_INFINITY;
        for (int s = 0; s < count; s++) {
            max = Math.max(max, weights[s]);
        }
        int end = Math.ceilDiv(count, Lanes.COUNT) * Lanes.COUNT;
        Arrays.fill(weights, count, end, Float.NEGATIVE_INFINITY);
        FewRowsLoops.exponentials(weights, end, max);
        double sum = 0;
        for (int s = 0; s < count; s++) {
            sum += weights[s];
        }
        float inverse = (float) (1 / sum);
        for (int s = 0; s < count; s++) {
            weights[s] *= inverse;
        }
    }

    /** The mean of values [count, n] by weights. */
    private void mix(float[] weights, int count, MemorySegment values, long index, int n, int target) {
        int vectors = n - n % Lanes.COUNT;
        int i = 0;
        for (; i + 4 * Lanes.COUNT <= vectors; i += 4 * Lanes.COUNT) {
            if (type == ElementType.BF16) {
                FewRowsLoops.mixFourBf16(weights, count, values, index + i, n, attended, target + i);
            } else {
                FewRowsLoops.mixFourFp32(weights, count, values, index + i, n, attended, target + i);
            }
        }
        for (; i < vectors; i += Lanes.COUNT) {
            FewRowsLoops.mixOne(weights, count, values, type, index + i, n, attended, target + i);
        }
        for (; i < n; i++) {
            float sum = 0;
            for (int s = 0; s < count; s++) {
                sum = Math.fma(weights[s], Lanes.get(values, type, index + (long) s * n + i), sum);
            }
            attended[target + i] = sum;
        }
    }
}
