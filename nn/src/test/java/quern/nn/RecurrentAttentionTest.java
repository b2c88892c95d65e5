package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/** Memories carried from pass to pass against one long pass, and attention against its definition. */
class RecurrentAttentionTest extends ScopedTest {
    private static final int WIDTH = 8;
    private static final int HEADS = 2;
    private static final int HEAD = 4;
    /** Long enough for slots to fall out of the compressed memory. */
    private static final int LENGTH = 36;

    /** Passes sum keys of masked memories and of fewer rows in another order: a few units in the last place, a layer. */
    private static final double SAME = 2e-6;

    /** Gradients of the biases are sums over all queries that mostly cancel, so rounding weighs more than usual. */
    private static final double GRADIENTS = 4e-6;

    /** What is remembered, and how it is compressed. */
    private enum Kind {
        TRANSFORMER_XL(MemoryLayout.uncompressed(6)),
        MEAN(new MemoryLayout(6, 4, 3)),
        MAX(new MemoryLayout(6, 4, 3)),
        CONVOLUTION(new MemoryLayout(6, 4, 3)),
        /** Compression of single positions. */
        RATE_ONE(new MemoryLayout(3, 5, 1));

        final MemoryLayout layout;

        Kind(MemoryLayout layout) {
            this.layout = layout;
        }

        RecurrentAttention.Compression compression(String name) {
            return switch (this) {
                case TRANSFORMER_XL -> null;
                case MEAN, RATE_ONE -> RecurrentAttention.Compression.mean();
                case MAX -> RecurrentAttention.Compression.max();
                case CONVOLUTION ->
                    RecurrentAttention.Compression.convolution(
                            linear(name + ".compression", (long) layout.rate() * WIDTH, WIDTH));
            };
        }
    }

    private static Linear linear(String name, long in, long out) {
        return new Linear(
                name,
                new DenseLinear(
                        ToyModel.parameter(name.hashCode(), name + ".weight", 1.5 / Math.sqrt(in), out, in), null));
    }

    private static RecurrentAttention attention(Kind kind, int layer) {
        String name = "layers." + layer;
        return new RecurrentAttention(
                name,
                layer,
                new RecurrentAttention.Shape(HEADS, HEAD, 0.5, 0),
                new RecurrentAttention.Slots(
                        linear(name + ".q", WIDTH, WIDTH),
                        linear(name + ".k", WIDTH, WIDTH),
                        linear(name + ".v", WIDTH, WIDTH),
                        linear(name + ".r", WIDTH, WIDTH),
                        linear(name + ".o", WIDTH, WIDTH)),
                ToyModel.parameter(31 + layer, name + ".u", 0.5, HEADS, HEAD),
                ToyModel.parameter(41 + layer, name + ".v_bias", 0.5, HEADS, HEAD),
                kind.layout,
                kind.compression(name));
    }

    private static Network network(Kind kind) {
        List<Segment> visits = new ArrayList<>();
        visits.add(new Memories("memories", kind.layout, 0, DType.FP32));
        visits.add(
                new TokenEmbedding("embed", ToyModel.parameter(1, "embed", 0.7, ToyModel.VOCABULARY, WIDTH), null, 0));
        for (int layer = 0; layer < 2; layer++) {
            String name = "layers." + layer;
            Parameter weight = new Parameter(name + ".norm", Tensor.full(1, DType.FP32, Device.CPU, WIDTH));
            visits.add(new TransformerBlock(
                    name, Residual.preNorm(new Norm.RmsNorm(weight, 1e-5), attention(kind, layer))));
        }
        visits.add(new LanguageModelHead("lm_head", linear("lm_head", WIDTH, ToyModel.VOCABULARY)));
        return new Network(visits);
    }

    private static Tensor ids(int rows, long seed) {
        return Tensor.of(ToyModel.ids(seed, rows * LENGTH), rows, LENGTH);
    }

    private static Tensor logits(Network network, Flow flow) {
        return network.infer(flow, Pass.evaluation()).get("logits");
    }

    /** Logits of passes of these lengths that hand their memories on. */
    private static Tensor carried(Network network, Tensor ids, int... lengths) {
        Flow memories = new Flow();
        List<Tensor> logits = new ArrayList<>();
        int at = 0;
        for (int length : lengths) {
            Flow flow = new Flow().put("input_ids", ids.narrow(1, at, length));
            memories.names().forEach(name -> flow.put(name, memories.get(name)));
            Flow out = network.infer(flow, Pass.evaluation());
            logits.add(out.get("logits"));
            network.carries().forEach(name -> memories.put(name, out.get(name)));
            at += length;
        }
        assertEquals(LENGTH, at);
        return Tensor.cat(logits, 1);
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void passesWithMemoryAreOneLongPass(Kind kind) {
        try (Network network = network(kind)) {
            Tensor ids = ids(2, 5);
            float[] whole = logits(network, new Flow().put("input_ids", ids)).toFloats();
            for (int[] lengths : List.of(
                    new int[] {6, 6, 6, 6, 6, 6},
                    new int[] {12, 12, 12},
                    new int[] {3, 24, 9},
                    new int[] {5, 1, 10, 7, 13},
                    new int[] {30, 6})) {
                float[] passes = carried(network, ids, lengths).toFloats();
                Gradients.assertClose(whole, passes, SAME, Arrays.toString(lengths));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void generationWithMemoryIsOneLongPass(Kind kind) {
        try (Network network = network(kind);
                KeyValueCache cache = new KeyValueCache()) {
            Tensor ids = ids(2, 6);
            Tensor whole = logits(network, new Flow().put("input_ids", ids));
            List<Tensor> logits = new ArrayList<>();
            int prompt = 8;
            for (int at = 0; at < LENGTH; ) {
                int t = at == 0 ? prompt : 1;
                logits.add(network.infer(
                                new Flow().put("input_ids", ids.narrow(1, at, t)),
                                Pass.evaluation().withCache(cache))
                        .get("logits"));
                at += t;
                assertEquals(at, cache.length());
            }
            Gradients.assertClose(whole.toFloats(), Tensor.cat(logits, 1).toFloats(), SAME, "generation");
            // Two layers of fp32 memories for two rows, at most the memory, a slot's worth more, and the slots.
            long most = 2L * 2 * WIDTH * 4 * (kind.layout.length() + kind.layout.rate() - 1 + kind.layout.compressed());
            assertTrue(cache.bytes() <= most, cache.bytes() + " of " + most);
        }
    }

    /** The definition, a query, a head and a key at a time, in double precision. */
    private static double[][] oracle(Kind kind, double[][] x) {
        RecurrentAttention attention = attention(kind, 0);
        List<double[][]> w = new ArrayList<>();
        for (Linear slot : attention.linears()) {
            w.add(matrix(((DenseLinear) slot.form()).weight().value()));
        }
        double[][] u =
                matrix(ToyModel.parameter(31, "layers.0.u", 0.5, HEADS, HEAD).value());
        double[][] v = matrix(
                ToyModel.parameter(41, "layers.0.v_bias", 0.5, HEADS, HEAD).value());
        int m = kind.layout.length();
        int c = kind.layout.rate();
        double[][] result = new double[x.length][];
        for (int t = 0; t < x.length; t++) {
            int start = Math.max(0, Math.floorDiv(t - m, c) * c);
            List<double[]> keys = new ArrayList<>();
            List<Integer> distances = new ArrayList<>();
            for (int j = start; j <= t; j++) {
                keys.add(x[j]);
                distances.add(t - j);
            }
            for (int slot = 1; slot <= kind.layout.compressed() && start - slot * c >= 0; slot++) {
                keys.add(compress(kind, x, start - slot * c, c, w));
                distances.add(t - start + slot);
            }
            double[] joined = new double[WIDTH];
            double[] q = times(w.get(0), x[t]);
            for (int h = 0; h < HEADS; h++) {
                double[] scores = new double[keys.size()];
                double sum = 0;
                for (int j = 0; j < scores.length; j++) {
                    double[] k = times(w.get(1), keys.get(j));
                    double[] r = times(w.get(3), wave(distances.get(j)));
                    for (int d = 0; d < HEAD; d++) {
                        int at = h * HEAD + d;
                        scores[j] += 0.5 * ((q[at] + u[h][d]) * k[at] + (q[at] + v[h][d]) * r[at]);
                    }
                    sum += Math.exp(scores[j]);
                }
                for (int j = 0; j < scores.length; j++) {
                    double[] value = times(w.get(2), keys.get(j));
                    for (int d = 0; d < HEAD; d++) {
                        joined[h * HEAD + d] += Math.exp(scores[j]) / sum * value[h * HEAD + d];
                    }
                }
            }
            result[t] = times(w.get(4), joined);
        }
        return result;
    }

    private static double[] compress(Kind kind, double[][] x, int from, int count, List<double[][]> weights) {
        double[] slot = new double[WIDTH];
        if (kind == Kind.CONVOLUTION) {
            double[] flat = new double[count * WIDTH];
            for (int i = 0; i < count; i++) {
                System.arraycopy(x[from + i], 0, flat, i * WIDTH, WIDTH);
            }
            return times(weights.get(5), flat);
        }
        for (int d = 0; d < WIDTH; d++) {
            double most = Double.NEGATIVE_INFINITY;
            double sum = 0;
            for (int i = 0; i < count; i++) {
                most = Math.max(most, x[from + i][d]);
                sum += x[from + i][d];
            }
            slot[d] = kind == Kind.MAX ? most : sum / count;
        }
        return slot;
    }

    private static double[] wave(int distance) {
        double[] wave = new double[WIDTH];
        for (int i = 0; i < WIDTH / 2; i++) {
            double angle = distance * Math.pow(10_000, -2.0 * i / WIDTH);
            wave[i] = Math.sin(angle);
            wave[i + WIDTH / 2] = Math.cos(angle);
        }
        return wave;
    }

    private static double[][] matrix(Tensor x) {
        float[] flat = x.toFloats();
        int columns = (int) x.size(1);
        double[][] result = new double[(int) x.size(0)][columns];
        for (int i = 0; i < flat.length; i++) {
            result[i / columns][i % columns] = flat[i];
        }
        return result;
    }

    private static double[] times(double[][] w, double[] x) {
        double[] y = new double[w.length];
        for (int i = 0; i < y.length; i++) {
            for (int j = 0; j < x.length; j++) {
                y[i] += w[i][j] * x[j];
            }
        }
        return y;
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void equalsItsDefinition(Kind kind) {
        Tensor x = Tensor.randn(new RandomStream(3), 1, LENGTH, WIDTH);
        Flow flow = new Flow().put("input_ids", ids(1, 1));
        new Memories("memories", kind.layout, 0, DType.FP32).forward(flow, Pass.evaluation());
        float[] actual = attention(kind, 0).forward(x, flow, Pass.evaluation()).toFloats();
        double[][] expected = oracle(kind, matrix(x.view(LENGTH, WIDTH)));
        float[] flat = new float[actual.length];
        for (int i = 0; i < flat.length; i++) {
            flat[i] = (float) expected[i / WIDTH][i % WIDTH];
        }
        Gradients.assertClose(flat, actual, 3e-6, kind.name());
    }

    @Test
    void aRowThatBeginsAnotherTextForgets() {
        for (Kind kind : List.of(Kind.TRANSFORMER_XL, Kind.MEAN)) {
            try (Network network = network(kind)) {
                Tensor ids = ids(2, 5);
                Tensor next = Tensor.of(ToyModel.ids(8, 24), 2, 12);
                Flow first = network.infer(new Flow().put("input_ids", ids), Pass.evaluation());
                Flow second = new Flow().put("input_ids", next);
                network.carries().forEach(name -> second.put(name, first.get(name)));
                second.put(Memories.RESET, Tensor.of(new long[] {0, 1}, 2));
                Flow out = network.infer(second, Pass.evaluation());
                Tensor fresh = logits(network, new Flow().put("input_ids", next));
                Gradients.assertClose(
                        fresh.select(0, 1).toFloats(),
                        out.get("logits").select(0, 1).toFloats(),
                        SAME,
                        "the row that begins anew");
                assertFalse(fresh.select(0, 0).equal(out.get("logits").select(0, 0)), "the other row remembers");
                assertEquals(List.of(48L, 12L), longs(out.get(Memories.LENGTHS)));
                // What it then remembers begins with its own text.
                Flow third = new Flow().put("input_ids", next);
                network.carries().forEach(name -> third.put(name, out.get(name)));
                Tensor twice = Tensor.cat(List.of(next, next), 1);
                Gradients.assertClose(
                        logits(network, new Flow().put("input_ids", twice))
                                .select(0, 1)
                                .narrow(0, 12, 12)
                                .toFloats(),
                        logits(network, third).select(0, 1).toFloats(),
                        SAME,
                        "the pass after it");
            }
        }
    }

    private static List<Long> longs(Tensor x) {
        return Arrays.stream(x.toLongs()).boxed().toList();
    }

    @Test
    void paddedPromptsGetWhatTheyWouldGetAlone() {
        try (Network network = network(Kind.TRANSFORMER_XL);
                KeyValueCache cache = new KeyValueCache()) {
            Tensor ids = ids(2, 7);
            long[] mask = new long[2 * LENGTH];
            Arrays.fill(mask, 1);
            Arrays.fill(mask, LENGTH, LENGTH + 5, 0);
            Tensor padding = Tensor.of(mask, 2, LENGTH);
            Tensor alone = logits(
                    network, new Flow().put("input_ids", ids.narrow(0, 1, 1).narrow(1, 5, LENGTH - 5)));
            List<Tensor> steps = new ArrayList<>();
            for (int at = 0; at < LENGTH; at += at == 0 ? 9 : 1) {
                int t = at == 0 ? 9 : 1;
                Flow flow = new Flow()
                        .put("input_ids", ids.narrow(1, at, t))
                        .put("attention_mask", padding.narrow(1, 0, at + t));
                steps.add(
                        network.infer(flow, Pass.evaluation().withCache(cache)).get("logits"));
            }
            Gradients.assertClose(
                    alone.toFloats(),
                    Tensor.cat(steps, 1)
                            .narrow(0, 1, 1)
                            .narrow(1, 5, LENGTH - 5)
                            .toFloats(),
                    SAME,
                    "the padded row");
        }
        try (Network network = network(Kind.MEAN)) {
            Flow flow = new Flow()
                    .put("input_ids", ids(1, 7))
                    .put("attention_mask", Tensor.full(1, DType.INT64, Device.CPU, 1, LENGTH));
            assertThrows(QuernException.class, () -> network.infer(flow, Pass.evaluation()));
        }
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void segmentWiseGradientsAreThoseOfTheWholeGraph(Kind kind) {
        try (Network network = network(kind)) {
            Flow first = network.infer(new Flow().put("input_ids", ids(2, 5)), Pass.evaluation());
            Flow batch = ToyModel.batch(5, 2, 12);
            network.carries().forEach(name -> batch.put(name, first.get(name)));
            var whole = Gradients.whole(network, batch, Pass.training(3), Gradients.seedLoss());
            var byTape = Gradients.segmentWise(network, batch, Pass.training(3), Gradients.seedLoss());
            Gradients.assertClose(whole, byTape, GRADIENTS);
            Gradients.assertAlive(byTape, network);
            network.addHook(new GradientCheckpointing(s -> s instanceof TransformerBlock));
            Gradients.assertSameBits(
                    byTape, Gradients.segmentWise(network, batch, Pass.training(3), Gradients.seedLoss()));
        }
    }

    @Test
    void memoriesCarryNoGradient() {
        try (Network network = network(Kind.CONVOLUTION);
                Tape tape = network.forward(ToyModel.batch(5, 2, 12), Pass.training(1))) {
            for (String name : network.carries()) {
                assertFalse(tape.get(name).requiresGrad(), name);
            }
            assertEquals(Optional.empty(), tape.firstNonFinite());
            assertEquals(5, network.carries().size());
        }
    }

    @Test
    void sizesThatDoNotFitAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new MemoryLayout(0, 0, 1));
        assertThrows(IllegalArgumentException.class, () -> new MemoryLayout(7, 4, 3));
        assertThrows(IllegalArgumentException.class, () -> new MemoryLayout(6, 0, 3));
        try (Network network = network(Kind.TRANSFORMER_XL)) {
            Flow orphan = new Flow().put("input_ids", ids(1, 5)).put("memory.0", Tensor.zeros(DType.FP32, 1, 6, WIDTH));
            assertThrows(IllegalArgumentException.class, () -> network.infer(orphan, Pass.evaluation()));
            assertEquals(Map.of(), Map.copyOf(Gradients.take(network)));
        }
    }
}
