package quern.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.nn.Flow;
import quern.nn.Network;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.recipe.Block;
import quern.recipe.GoldenCase;
import quern.recipe.Position;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Documents one behind another in one row against the same documents alone, in every causal family. */
class DocumentsTest {
    /** Sums in another order: of the loss, and of the norm of all gradients. The worst measured are 1.2e-7 and
     * 4.4e-7. */
    private static final double SAME = 1e-6;

    /** Gradients of models whose large random weights let roundings grow; the worst measured is 1.9e-6. */
    private static final double GRADIENT = 3e-6;

    private static Stream<GoldenCase> causalCases() {
        return GoldenCases.all().stream().filter(c -> ModelSpec.read(c.folder()).task() == Task.CAUSAL_LM);
    }

    private static long[] tokens(SplittableRandom random, int count, int vocabulary) {
        return random.longs(count, 3, vocabulary).toArray();
    }

    /** A third of the positions count. */
    private static long[] targets(SplittableRandom random, int count, int vocabulary) {
        return IntStream.range(0, count)
                .mapToLong(i -> i % 3 == 0 ? random.nextLong(3, vocabulary) : -100)
                .toArray();
    }

    private static Flow flow(long[] ids, long[] targets, long counted, long... borders) {
        float[] weights = new float[ids.length];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = targets[i] < 0 ? 0 : 1f / counted;
        }
        Flow flow = new Flow()
                .put("input_ids", Tensor.of(ids, 1, ids.length))
                .put("targets", Tensor.of(targets, 1, ids.length))
                .put("weights", Tensor.of(weights, 1, ids.length));
        return borders.length == 0 ? flow : flow.put("cu_seqlens", Tensor.of(borders, borders.length));
    }

    private static double lossAndGradients(Network network, Flow flow) {
        try (Tape tape = network.forward(flow, Pass.training(1))) {
            tape.backward(Map.of("loss", Tensor.full(1, DType.FP32, Device.CPU, 1)));
            return tape.get("loss").item();
        }
    }

    private static Map<String, float[]> takeGradients(Network network) {
        Map<String, float[]> all = new LinkedHashMap<>();
        for (Parameter p : network.parameters()) {
            if (p.grad().isDefined()) {
                all.put(p.name(), p.grad().toFloats());
            }
            p.clearGrad();
        }
        return all;
    }

    static void assertPackedEqualsAlone(LanguageModel model, double tolerance, int... lengths) {
        SplittableRandom random = new SplittableRandom(11);
        int total = Arrays.stream(lengths).sum();
        int vocabulary = model.config().vocabSize();
        long[] ids = tokens(random, total, vocabulary);
        long[] targets = targets(random, total, vocabulary);
        long counted = Arrays.stream(targets).filter(t -> t >= 0).count();
        long[] borders = new long[lengths.length + 1];
        for (int i = 0; i < lengths.length; i++) {
            borders[i + 1] = borders[i] + lengths[i];
        }
        double packed = lossAndGradients(model.network(), flow(ids, targets, counted, borders));
        Map<String, float[]> gradients = takeGradients(model.network());
        double alone = 0;
        for (int i = 0; i < lengths.length; i++) {
            int from = (int) borders[i];
            int to = (int) borders[i + 1];
            alone += lossAndGradients(
                    model.network(),
                    flow(Arrays.copyOfRange(ids, from, to), Arrays.copyOfRange(targets, from, to), counted));
        }
        Map<String, float[]> expected = takeGradients(model.network());
        assertEquals(alone, packed, SAME * alone);
        assertEquals(expected.keySet(), gradients.keySet());
        double difference = 0;
        double norm = 0;
        for (String name : expected.keySet()) {
            float[] e = expected.get(name);
            for (int i = 0; i < e.length; i++) {
                norm += (double) e[i] * e[i];
                difference += Math.pow((double) e[i] - gradients.get(name)[i], 2);
            }
        }
        assertTrue(
                difference <= tolerance * tolerance * norm, "the gradient is off by " + Math.sqrt(difference / norm));
    }

    /** Without the loss of mixtures' routers, which is a whole batch's. */
    private static LanguageModel load(GoldenCase c) {
        Block changes = Block.empty(Position.of("test"));
        return LanguageModel.load(
                c.folder(),
                ModelSpec.read(c.folder()).family().id().equals("mixtral")
                        ? changes.with("output_router_logits", false)
                        : changes,
                DType.FP32,
                Device.CPU);
    }

    /** In every family, whatever its positions, windows, biases and norms. */
    @TestFactory
    Stream<DynamicTest> familiesGiveTheLossOfDocumentsAlone() {
        return causalCases()
                .map(c -> DynamicTest.dynamicTest(c.name(), () -> {
                    try (LanguageModel model = load(c);
                            Scope scope = Scope.open()) {
                        assertPackedEqualsAlone(model, GRADIENT, 5, 1, 12, 3);
                    }
                }));
    }

    private static LanguageModel large(String family) {
        // Large enough for the hand-written blocks.
        return TestModels.create(
                family, Map.of("hidden_size", 64, "max_position_embeddings", 128, "initializer_range", 0.05), 3);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama"})
    void ordinaryWeightsGiveTheLossOfDocumentsAlone(String family) {
        try (LanguageModel model = large(family);
                Scope scope = Scope.open()) {
            assertPackedEqualsAlone(model, SAME, 40, 3, 100, 1, 90, 33, 8, 70, 65);
            // Too few for the hand-written blocks.
            assertPackedEqualsAlone(model, SAME, 40, 3, 100, 1);
        }
    }

    private static float[] logprobs(LanguageModel model, long[] ids, long[] targets, long... borders) {
        return model.network()
                .infer(flow(ids, targets, 1, borders), Pass.evaluation())
                .get("logprobs")
                .toFloats();
    }

    static void assertSeesItselfOnly(LanguageModel model, int... lengths) {
        SplittableRandom random = new SplittableRandom(12);
        int total = Arrays.stream(lengths).sum();
        int vocabulary = model.config().vocabSize();
        long[] ids = tokens(random, total, vocabulary);
        long[] targets = tokens(random, total, vocabulary);
        long[] borders = new long[lengths.length + 1];
        for (int i = 0; i < lengths.length; i++) {
            borders[i + 1] = borders[i] + lengths[i];
        }
        float[] before = logprobs(model, ids, targets, borders);
        for (int changed = 0; changed < lengths.length; changed++) {
            long[] other = ids.clone();
            int from = (int) borders[changed];
            int to = (int) borders[changed + 1];
            for (int i = from; i < to; i++) {
                other[i] = 3 + (other[i] - 2) % (vocabulary - 3);
            }
            float[] after = logprobs(model, other, targets, borders);
            assertFalse(Arrays.equals(before, from, to, after, from, to), "document " + changed);
            assertArrayEquals(Arrays.copyOf(before, from), Arrays.copyOf(after, from));
            assertArrayEquals(
                    Arrays.copyOfRange(before, to, total), Arrays.copyOfRange(after, to, total), "after " + changed);
        }
    }

    /** Another document's tokens change no bit. */
    @TestFactory
    Stream<DynamicTest> aDocumentSeesItselfOnly() {
        return causalCases()
                .map(c -> DynamicTest.dynamicTest(c.name(), () -> {
                    try (LanguageModel model = load(c);
                            Scope scope = Scope.open()) {
                        assertSeesItselfOnly(model, 5, 1, 12, 3);
                    }
                }));
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama"})
    void aDocumentInHandWrittenBlocksSeesItselfOnly(String family) {
        try (LanguageModel model = large(family);
                Scope scope = Scope.open()) {
            assertSeesItselfOnly(model, 90, 3, 100, 77);
        }
    }

    @Test
    void bordersThatDoNotFitAreRefused() {
        try (LanguageModel model = TestModels.create("llama");
                Scope scope = Scope.open()) {
            for (long[] borders : List.of(new long[] {0, 4, 9}, new long[] {1, 8}, new long[] {0, 4, 4, 8})) {
                Flow flow = flow(new long[8], new long[8], 8, borders);
                assertThrows(
                        IllegalArgumentException.class,
                        () -> model.network().infer(flow, Pass.evaluation()),
                        Arrays.toString(borders));
            }
        }
    }
}
