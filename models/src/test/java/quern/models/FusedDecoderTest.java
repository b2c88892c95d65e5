package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.nn.Flow;
import quern.nn.FusedDecoder;
import quern.nn.KeyValueCache;
import quern.nn.Pass;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Native;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.KernelThreads;
import quern.tensor.kernel.Kernels;

/** The hand-written step against the plain form, on the same cache contents. */
class FusedDecoderTest {
    /** Of the largest logit: sums of a few dozen fp32 products in another order. */
    private static final double FP32_TOLERANCE = 1e-5;

    /**
     * Of the largest logit: the plain form rounds every step of every block to 8 bits, the kernel only keys and values, so the
     * distance is that of the plain form from exact arithmetic: 1.7e-2 at most on these models.
     */
    private static final double BF16_TOLERANCE = 3e-2;

    private static final int STEPS = 12;
    private static final int PROMPT = 9;

    @BeforeAll
    static void theKernelsRun() {
        assumeTrue(Kernels.available() && !"never".equals(System.getenv("QUERN_FUSED_BLOCKS")));
    }

    private record Shape(String name, String family, Map<String, Object> changes) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static final List<Shape> SHAPES = List.of(
            new Shape("gpt2", "gpt2", Map.of()),
            new Shape("gpt2 with a head of its own", "gpt2", Map.of("tie_word_embeddings", false)),
            new Shape("llama, grouped queries", "llama", Map.of()),
            new Shape(
                    "llama, biases, tied head",
                    "llama",
                    Map.of("attention_bias", true, "mlp_bias", true, "tie_word_embeddings", true)),
            new Shape(
                    "llama, wide heads, one key-value head",
                    "llama",
                    Map.of("hidden_size", 80, "num_attention_heads", 4, "num_key_value_heads", 1)),
            new Shape(
                    "llama, heads of several vectors",
                    "llama",
                    Map.of("hidden_size", 160, "num_attention_heads", 2, "num_key_value_heads", 1)));

    static Stream<Arguments> cases() {
        List<Arguments> all = new ArrayList<>();
        for (Shape shape : SHAPES) {
            for (DType dtype : List.of(DType.FP32, DType.BF16)) {
                for (int batch : new int[] {1, 3, 8, 11}) {
                    all.add(Arguments.of(shape, dtype, batch));
                }
            }
        }
        return all.stream();
    }

    private static LanguageModel create(Shape shape, DType dtype) {
        Map<String, Object> changes = new LinkedHashMap<>(shape.changes());
        changes.put("initializer_range", 0.1);
        LanguageModel model = LanguageModel.create(TestModels.spec(shape.family(), changes), dtype, Device.CPU, 5);
        // New biases are zero and new norms one, which would hide that they are left out.
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            for (Parameter p : model.parameters()) {
                if (p.value().dim() == 1) {
                    float[] values = p.value().to(DType.FP32).toFloats();
                    for (int i = 0; i < values.length; i++) {
                        values[i] += 0.2f * (float) Math.sin(1 + i + p.name().length());
                    }
                    p.value().copy_(Tensor.of(values, values.length).to(dtype));
                }
            }
        }
        return model;
    }

    private static long token(int row, int column) {
        return Math.floorMod(31L * column * column + 7L * row + column, TestModels.VOCABULARY);
    }

    private static Tensor columns(int batch, int from, int to) {
        long[] flat = new long[batch * (to - from)];
        for (int row = 0; row < batch; row++) {
            for (int column = from; column < to; column++) {
                flat[row * (to - from) + column - from] = token(row, column);
            }
        }
        return Tensor.of(flat, batch, to - from);
    }

    private static float[] plain(LanguageModel model, int batch, int from, int to, int[] firsts, KeyValueCache cache) {
        Flow flow = new Flow().put("input_ids", columns(batch, from, to));
        if (Arrays.stream(firsts).anyMatch(f -> f > 0)) {
            long[] mask = new long[batch * to];
            for (int row = 0; row < batch; row++) {
                Arrays.fill(mask, row * to + firsts[row], (row + 1) * to, 1);
            }
            flow.put("attention_mask", Tensor.of(mask, batch, to));
        }
        return model.network()
                .infer(flow, Pass.evaluation().withLastLogitsOnly().withCache(cache))
                .get("logits")
                .to(DType.FP32)
                .toFloats();
    }

    /** The worst distance of logits over some steps, over the largest logit. */
    private static double distance(LanguageModel model, int batch, int[] firsts) {
        FusedDecoder decoder = FusedDecoder.of(model.network(), batch).orElseThrow();
        double worst = 0;
        try (KeyValueCache oracle = new KeyValueCache();
                KeyValueCache own = new KeyValueCache()) {
            try (Scope scope = Scope.open()) {
                plain(model, batch, 0, PROMPT, firsts, oracle);
                plain(model, batch, 0, PROMPT, firsts, own);
            }
            for (int at = PROMPT; at < PROMPT + STEPS; at++) {
                long[] tokens = new long[batch];
                for (int row = 0; row < batch; row++) {
                    tokens[row] = token(row, at);
                }
                float[] actual = decoder.step(tokens, firsts, own);
                try (Scope scope = Scope.open()) {
                    float[] expected = plain(model, batch, at, at + 1, firsts, oracle);
                    assertEquals(expected.length, actual.length);
                    double largest = 0;
                    double difference = 0;
                    for (int i = 0; i < expected.length; i++) {
                        largest = Math.max(largest, Math.abs(expected[i]));
                        difference = Math.max(difference, Math.abs(expected[i] - actual[i]));
                        assertTrue(Float.isFinite(actual[i]));
                    }
                    assertTrue(largest > 0);
                    worst = Math.max(worst, difference / largest);
                }
                assertEquals(oracle.length(), own.length());
            }
        }
        return worst;
    }

    private static double tolerance(DType dtype) {
        return dtype == DType.FP32 ? FP32_TOLERANCE : BF16_TOLERANCE;
    }

    @ParameterizedTest(name = "{0}, {1}, batch {2}")
    @MethodSource("cases")
    void aStepGivesThePlainLogits(Shape shape, DType dtype, int batch) {
        try (LanguageModel model = create(shape, dtype)) {
            double worst = distance(model, batch, new int[batch]);
            assertTrue(worst <= tolerance(dtype), "distance " + worst);
        }
    }

    @ParameterizedTest(name = "{0}, {1}, batch {2}")
    @MethodSource("cases")
    void paddingIsHiddenAsInThePlainForm(Shape shape, DType dtype, int batch) {
        int[] firsts = new int[batch];
        for (int row = 0; row < batch; row++) {
            firsts[row] = 5 * row % PROMPT;
        }
        firsts[0] = batch == 1 ? 0 : PROMPT - 1;
        try (LanguageModel model = create(shape, dtype)) {
            double worst = distance(model, batch, firsts);
            assertTrue(worst <= tolerance(dtype), "distance " + worst);
        }
    }

    /** More tokens than a cache has room for at first, then the plain form goes on from what the steps left. */
    @Test
    void thePlainFormGoesOnFromTheStepsCache() {
        int length = 150;
        try (LanguageModel model = TestModels.create("llama", Map.of("max_position_embeddings", 256), 3);
                KeyValueCache own = new KeyValueCache();
                KeyValueCache oracle = new KeyValueCache();
                Scope scope = Scope.open()) {
            int[] none = new int[2];
            FusedDecoder decoder = FusedDecoder.of(model.network(), 2).orElseThrow();
            plain(model, 2, 0, PROMPT, none, own);
            for (int at = PROMPT; at < length; at++) {
                decoder.step(new long[] {token(0, at), token(1, at)}, none, own);
            }
            float[] actual = plain(model, 2, length, length + 3, none, own);
            float[] expected = plain(model, 2, 0, length + 3, none, oracle);
            for (int i = 0; i < expected.length; i++) {
                assertEquals(expected[i], actual[i], 1e-4f * Math.max(1, Math.abs(expected[i])));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 5})
    void theCountOfThreadsChangesNoBit(int shape) {
        int before = KernelThreads.count();
        try (LanguageModel model = create(SHAPES.get(shape), DType.BF16);
                Scope scope = Scope.open()) {
            List<float[]> results = new ArrayList<>();
            for (int threads : new int[] {1, 2, 5}) {
                KernelThreads.setCount(threads);
                FusedDecoder decoder = FusedDecoder.of(model.network(), 3).orElseThrow();
                try (KeyValueCache cache = new KeyValueCache()) {
                    plain(model, 3, 0, PROMPT, new int[3], cache);
                    for (int step = 0; step < STEPS; step++) {
                        decoder.step(new long[] {1, 2, 3}, new int[3], cache);
                    }
                    results.add(decoder.step(new long[] {4, 5, 6}, new int[3], cache)
                            .clone());
                }
            }
            assertTrue(Arrays.equals(results.get(0), results.get(1)));
            assertTrue(Arrays.equals(results.get(0), results.get(2)));
        } finally {
            KernelThreads.setCount(before);
        }
    }

    @Test
    void stepsMakeNoNativeObjects() {
        try (LanguageModel model = create(SHAPES.get(2), DType.BF16);
                KeyValueCache cache = new KeyValueCache()) {
            int[] none = new int[2];
            try (Scope scope = Scope.open()) {
                plain(model, 2, 0, PROMPT, none, cache);
            }
            FusedDecoder decoder = FusedDecoder.of(model.network(), 2).orElseThrow();
            decoder.step(new long[] {1, 2}, none, cache);
            long before = Native.liveHandles();
            for (int i = 0; i < 20; i++) {
                decoder.step(new long[] {1, 2}, none, cache);
            }
            assertEquals(before, Native.liveHandles());
        }
    }

    @Test
    void otherNetworksHaveNoSuchStep() {
        try (LanguageModel exactGelu = TestModels.create("gpt2", Map.of("activation_function", "gelu"), 3);
                LanguageModel half =
                        LanguageModel.create(TestModels.spec("llama", Map.of()), DType.FP16, Device.CPU, 3);
                LanguageModel usual = TestModels.create("llama")) {
            assertTrue(FusedDecoder.of(exactGelu.network(), 1).isEmpty());
            assertTrue(FusedDecoder.of(half.network(), 1).isEmpty());
            assertTrue(FusedDecoder.of(usual.network(), 1).isPresent());
        }
    }
}
