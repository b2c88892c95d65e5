package quern.nn;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.RandomStreams;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Small random decoders of the room's own parts. */
final class ToyModel {
    static final int VOCABULARY = 23;
    static final int WIDTH = 16;
    static final int HEADS = 4;
    static final int LONGEST = 32;

    /** What varies between the toy decoders. */
    record Shape(int layers, int visits, int keyValueHeads, double dropout, boolean rotary, boolean tied, DType dtype) {
        static final Shape PLAIN = new Shape(2, 1, 2, 0, true, false, DType.FP32);

        /** Each block visited {@code n} times in a row of all blocks. */
        Shape visited(int n) {
            return new Shape(layers, n, keyValueHeads, dropout, rotary, tied, dtype);
        }

        Shape withKeyValueHeads(int n) {
            return new Shape(layers, visits, n, dropout, rotary, tied, dtype);
        }

        Shape withDropout(double p) {
            return new Shape(layers, visits, keyValueHeads, p, rotary, tied, dtype);
        }

        Shape withLearnedPositions() {
            return new Shape(layers, visits, keyValueHeads, dropout, false, tied, dtype);
        }

        Shape withTiedEnds() {
            return new Shape(layers, visits, keyValueHeads, dropout, rotary, true, dtype);
        }

        Shape in(DType other) {
            return new Shape(layers, visits, keyValueHeads, dropout, rotary, tied, other);
        }
    }

    private final RandomStreams streams;
    private final DType dtype;

    private ToyModel(long seed, DType dtype) {
        streams = new RandomStreams(seed);
        this.dtype = dtype;
    }

    /** Normal numbers of deviation {@code std}, a pure function of the seed and the name. */
    Parameter normal(String name, double std, long... shape) {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensor.randn(new RandomStream(streams.seed(name)), shape).mul(std);
            return new Parameter(name, x.to(dtype));
        }
    }

    static Parameter parameter(long seed, String name, double std, long... shape) {
        return new ToyModel(seed, DType.FP32).normal(name, std, shape);
    }

    private Linear linear(String name, long in, long out) {
        return new Linear(
                name,
                new DenseLinear(
                        normal(name + ".weight", 1 / Math.sqrt(in), out, in), normal(name + ".bias", 0.1, out)));
    }

    private Linear unbiased(String name, long in, long out) {
        return new Linear(name, new DenseLinear(normal(name + ".weight", 1 / Math.sqrt(in), out, in), null));
    }

    private Norm norm(String name) {
        try (Scope scope = Scope.open()) {
            Tensor ones = Tensor.full(1, dtype, Device.CPU, WIDTH);
            Parameter weight = new Parameter(name + ".weight", ones);
            return new Norm.RmsNorm(weight, 1e-5);
        }
    }

    private TransformerBlock block(int layer, Shape shape) {
        String name = "layers." + layer;
        int head = WIDTH / HEADS;
        SelfAttention attention = new SelfAttention(
                name,
                layer,
                new SelfAttention.Shape(
                        HEADS, shape.keyValueHeads(), head, 1 / Math.sqrt(head), shape.dropout(), shape.rotary()),
                List.of(
                        linear(name + ".q_proj", WIDTH, WIDTH),
                        // No bias: softmax does not see one shift of all keys, so its gradient would be rounding alone.
                        unbiased(name + ".k_proj", WIDTH, (long) head * shape.keyValueHeads()),
                        linear(name + ".v_proj", WIDTH, (long) head * shape.keyValueHeads())),
                linear(name + ".o_proj", WIDTH, WIDTH));
        FeedForward feedForward = new FeedForward(
                name,
                linear(name + ".gate_proj", WIDTH, 24),
                linear(name + ".up_proj", WIDTH, 24),
                linear(name + ".down_proj", 24, WIDTH),
                Activation.SILU);
        return new TransformerBlock(
                name,
                Residual.preNorm(norm(name + ".norm_1"), attention).withDropout(shape.dropout()),
                Residual.preNorm(norm(name + ".norm_2"), feedForward).withDropout(shape.dropout()));
    }

    /** Inverse frequencies 100^(-2i/D): fast enough to matter over a few positions. */
    static Tensor inverseFrequencies(int half) {
        float[] values = new float[half];
        for (int i = 0; i < half; i++) {
            values[i] = (float) Math.pow(100, -(double) i / half);
        }
        return Tensor.of(values, half);
    }

    /** A decoder of the given shape with normal weights from {@code seed}. */
    static Network decoder(Shape shape, long seed) {
        ToyModel toy = new ToyModel(seed, shape.dtype());
        List<Segment> visits = new ArrayList<>();
        visits.add(new Positions(
                "positions", shape.dtype(), shape.rotary() ? length -> inverseFrequencies(WIDTH / HEADS / 2) : null));
        Parameter tokens = toy.normal("embed_tokens.weight", 0.5, VOCABULARY, WIDTH);
        Parameter positions = shape.rotary() ? null : toy.normal("embed_positions.weight", 0.5, LONGEST, WIDTH);
        visits.add(new TokenEmbedding("embed", tokens, positions, shape.dropout()));
        List<Segment> blocks = new ArrayList<>();
        for (int i = 0; i < shape.layers(); i++) {
            blocks.add(toy.block(i, shape));
        }
        for (int i = 0; i < shape.visits(); i++) {
            visits.addAll(blocks);
        }
        visits.add(new FinalNorm("norm", toy.norm("norm")));
        DenseLinear output = shape.tied()
                ? new DenseLinear(tokens, null)
                : new DenseLinear(
                        toy.normal("lm_head.weight", 0.3, VOCABULARY, WIDTH),
                        toy.normal("lm_head.bias", 0.1, VOCABULARY));
        visits.add(new LanguageModelHead("lm_head", new Linear("lm_head", output)));
        return new Network(visits);
    }

    /** Ids in [0, V), a pure function of the seed. */
    static long[] ids(long seed, int count) {
        long[] ids = new long[count];
        RandomStreams streams = new RandomStreams(seed);
        for (int i = 0; i < count; i++) {
            ids[i] = Math.floorMod(streams.seed("ids", i), (long) VOCABULARY);
        }
        return ids;
    }

    /** {@code input_ids}, {@code targets} with some not counted, and {@code weights} that sum to one over the rest. */
    static Flow batch(long seed, int rows, int length) {
        long[] ids = ids(seed, rows * length);
        long[] targets = ids(seed + 1, rows * length);
        float[] weights = new float[rows * length];
        int counted = 0;
        for (int i = 0; i < targets.length; i++) {
            if (i % 5 == 2) {
                targets[i] = -100;
            } else {
                counted++;
            }
        }
        for (int i = 0; i < targets.length; i++) {
            weights[i] = (1f + i % 3) / (2 * counted);
        }
        return new Flow()
                .put("input_ids", Tensor.of(ids, rows, length))
                .put("targets", Tensor.of(targets, rows, length))
                .put("weights", Tensor.of(weights, rows, length));
    }
}
