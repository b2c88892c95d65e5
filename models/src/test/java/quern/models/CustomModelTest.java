package quern.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import quern.models.Generator.Generated;
import quern.models.custom.Config;
import quern.models.custom.Model;
import quern.nn.Flow;
import quern.nn.KeyValueCache;
import quern.nn.Pass;
import quern.nn.Positions;
import quern.nn.Tape;
import quern.recipe.Techniques;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Models composed of parts: they compute what the papers write, learn, generate, and come back from their folders. */
class CustomModelTest {
    /** Against double precision, of numbers up to about 10: measured below 1e-5. */
    private static final double LOGITS = 5e-5;

    /** Gradients by segments and of the whole graph differ in the order of sums only; measured below 2e-6. */
    private static final double GRADIENTS = 2e-5;

    private static final long[] IDS = {4, 9, 2, 17, 5, 5, 20, 3, 11, 8, 1, 6, 14, 19, 7, 7, 12, 0, 2, 21, 16, 18, 10, 3
    };

    @TempDir
    Path folder;

    private interface Check {
        void accept(LanguageModel model, Map<String, Object> settings) throws Exception;
    }

    private static Stream<DynamicTest> forEvery(Check check) {
        return CustomModels.all().entrySet().stream()
                .map(e -> DynamicTest.dynamicTest(e.getKey(), () -> {
                    try (LanguageModel model = CustomModels.create(e.getValue());
                            Scope scope = Scope.open()) {
                        check.accept(model, e.getValue());
                    }
                }));
    }

    @Test
    void itIsFoundByBothNames() {
        for (String name : List.of("custom", "quern")) {
            ModelFamily<?> family = Techniques.find(
                    ModelFamily.class,
                    ModelFamily.KIND,
                    name,
                    TestModels.block(Map.of()).position());
            assertTrue(family instanceof Model);
            assertEquals(Config.class, family.config());
        }
    }

    @TestFactory
    Stream<DynamicTest> logitsAreThoseOfTheSlowModel() {
        return forEvery((model, settings) -> {
            SlowModel slow = new SlowModel(model);
            Map<String, Tensor> batch = CustomModels.batch(settings, Tensor.of(IDS, 2, 12));
            boolean both = model.spec().task() == Task.SEQ2SEQ_LM;
            if (both) {
                batch.put("decoder_input_ids", Tensor.of(IDS, 2, 12).flip(1));
            }
            Tensor logits = model.outputs(batch).get("logits");
            for (int row = 0; row < 2; row++) {
                long[] ids = Arrays.copyOfRange(IDS, 12 * row, 12 * row + 12);
                double[][] expected = both
                        ? slow.logits(
                                ids,
                                batch.get("decoder_input_ids").select(0, row).toLongs())
                        : slow.logits(ids, batch.containsKey(Positions.PREFIX_LENGTHS) ? 3 : 0);
                float[] found = logits.select(0, row).contiguous().toFloats();
                for (int i = 0; i < found.length; i++) {
                    double wanted = expected[i / TestModels.VOCABULARY][i % TestModels.VOCABULARY];
                    assertEquals(wanted, found[i], LOGITS * Math.max(1, Math.abs(wanted)), "row " + row + ", " + i);
                }
            }
        });
    }

    @TestFactory
    Stream<DynamicTest> aSavedModelComesBackToTheBit() {
        return forEvery((model, settings) -> {
            model.save(folder, SaveOptions.DEFAULT);
            Map<String, Tensor> batch = CustomModels.batch(settings, Tensor.of(IDS, 2, 12));
            float[] before = model.outputs(batch).get("logits").toFloats();
            try (LanguageModel again = LanguageModel.load(folder, DType.FP32, Device.CPU)) {
                assertEquals("quern", again.spec().toJson(DType.FP32).get("model_type"));
                assertEquals(model.config(), again.config());
                again.network().setAttention(model.network().attention());
                assertArrayEquals(before, again.outputs(batch).get("logits").toFloats());
            }
        });
    }

    @TestFactory
    Stream<DynamicTest> gradientsBySegmentsAreThoseOfTheWholeGraph() {
        return forEvery((model, settings) -> {
            Map<String, Tensor> batch = CustomModels.batch(settings, Tensor.of(IDS, 2, 12));
            batch.put("labels", Tensor.of(IDS, 2, 12).flip(1));
            Flow inputs = model.lossInputs(batch);
            try (Tape tape = model.network().forward(inputs, Pass.training(1))) {
                tape.backward(Map.of("loss", Tensor.full(1, DType.FP32, Device.CPU, 1)));
            }
            List<Parameter> parameters = model.parameters();
            Flow whole = model.network().wholeGraph(Map.of(), inputs, Pass.training(1));
            List<Tensor> gradients = Autograd.grad(
                    List.of(whole.get("loss")),
                    parameters.stream().map(Parameter::value).toList(),
                    List.of(Tensor.full(
                            1, DType.FP32, Device.CPU, whole.get("loss").shape())),
                    false,
                    false);
            for (int i = 0; i < gradients.size(); i++) {
                Tensor g = gradients.get(i);
                double error = g.sub(parameters.get(i).grad()).abs().max().item();
                double size = g.abs().max().item();
                assertTrue(
                        error <= GRADIENTS * Math.max(1, size),
                        parameters.get(i).name() + " " + error);
                assertTrue(size > 0, parameters.get(i).name() + " learns nothing");
            }
        });
    }

    /** Prompts of several lengths, padded on the left, over the end of the context. */
    @TestFactory
    Stream<DynamicTest> aCacheChangesNoToken() {
        return forEvery((model, settings) -> {
            if (model.spec().task() == Task.MASKED_LM) {
                return;
            }
            List<long[]> prompts = List.of(Arrays.copyOf(IDS, 12), Arrays.copyOf(IDS, 1), Arrays.copyOf(IDS, 7));
            List<Generated> cached = greedy(model, true, prompts);
            assertEquals(greedy(model, false, prompts), cached);
            for (int row = 0; row < prompts.size(); row++) {
                Generated alone = greedy(model, true, List.of(prompts.get(row))).getFirst();
                int same = row == 0 ? alone.tokens().length : 20;
                assertArrayEquals(
                        Arrays.copyOf(alone.tokens(), same),
                        Arrays.copyOf(cached.get(row).tokens(), same),
                        "row " + row);
            }
        });
    }

    private static List<Generated> greedy(LanguageModel model, boolean useCache, List<long[]> prompts) {
        GenerationConfig config = TestModels.block(Map.of("max_new_tokens", 30, "use_cache", useCache))
                .bind(GenerationConfig.class);
        return new Generator(model, config, null).generate(prompts);
    }

    /** A text read piece by piece gives the logits of the text read at once. */
    @TestFactory
    Stream<DynamicTest> pieceByPieceGivesTheSameLogits() {
        return forEvery((model, settings) -> {
            if (model.spec().task() != Task.CAUSAL_LM) {
                return;
            }
            Map<String, Tensor> batch = CustomModels.batch(settings, Tensor.of(IDS, 1, IDS.length));
            Tensor whole = model.outputs(batch).get("logits");
            try (KeyValueCache cache = new KeyValueCache()) {
                Pass pass = Pass.evaluation().withCache(cache);
                int from = 0;
                for (int piece : new int[] {5, 1, 11, 3, 4}) {
                    Map<String, Tensor> part = new LinkedHashMap<>(batch);
                    part.put("input_ids", batch.get("input_ids").narrow(1, from, piece));
                    Flow flow = new Flow();
                    part.forEach(flow::put);
                    Tensor logits = model.network().infer(flow, pass).get("logits");
                    double error =
                            logits.sub(whole.narrow(1, from, piece)).abs().max().item();
                    assertTrue(error <= 1e-4 * Math.max(1, whole.abs().max().item()), "from " + from + ": " + error);
                    from += piece;
                }
            }
        });
    }

    /** Documents one behind another are as alone. */
    @TestFactory
    Stream<DynamicTest> documentsDoNotSeeEachOther() {
        return forEvery((model, settings) -> {
            if (model.spec().task() != Task.CAUSAL_LM || settings.containsValue("prefix_lm")) {
                return;
            }
            Tensor ids = Tensor.of(IDS, 1, IDS.length);
            Flow flow = new Flow().put("input_ids", ids).put("cu_seqlens", Tensor.of(new long[] {0, 9, 24}, 3));
            Tensor together = model.network().infer(flow, Pass.evaluation()).get("logits");
            int[] borders = {0, 9, 24};
            for (int i = 0; i < 2; i++) {
                int length = borders[i + 1] - borders[i];
                Tensor alone = model.logits(ids.narrow(1, borders[i], length), null);
                double error = together.narrow(1, borders[i], length)
                        .sub(alone)
                        .abs()
                        .max()
                        .item();
                assertTrue(error <= LOGITS * Math.max(1, alone.abs().max().item()), "document " + i + ": " + error);
            }
        });
    }
}
