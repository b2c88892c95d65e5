package quern.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import quern.models.custom.Config;
import quern.models.custom.Model;
import quern.nn.Flow;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.recipe.Techniques;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Models composed of parts: they compute, learn, and come back from their folders to the bit. */
class CustomModelTest {
    /** Gradients by segments and of the whole graph differ in the order of sums only; measured below 2e-6. */
    private static final double GRADIENTS = 2e-5;

    private static final long[] IDS = {4, 9, 2, 17, 5, 5, 20, 3, 11, 8, 1, 6};

    @TempDir
    Path folder;

    private static Map<String, Object> with(Object... keysAndValues) {
        Map<String, Object> settings = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            settings.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return settings;
    }

    /** Combinations that between them hold every part. */
    static Map<String, Map<String, Object>> decoders() {
        Map<String, Map<String, Object>> all = new LinkedHashMap<>();
        all.put("as Llama", with());
        all.put(
                "as GPT-2",
                with(
                        "position",
                        "learned",
                        "norm",
                        "layer_norm",
                        "feed_forward",
                        "gelu",
                        "attention_bias",
                        true,
                        "mlp_bias",
                        true,
                        "tie_word_embeddings",
                        true));
        all.put("gqa", with("attention", "gqa", "num_key_value_heads", 2, "feed_forward", "geglu"));
        all.put("mqa", with("attention", "mqa", "feed_forward", "relu2"));
        return all;
    }

    private static Stream<DynamicTest> forEvery(Map<String, Map<String, Object>> models, Check check) {
        return models.entrySet().stream()
                .map(e -> DynamicTest.dynamicTest(e.getKey(), () -> {
                    try (LanguageModel model = create(e.getValue());
                            Scope scope = Scope.open()) {
                        check.accept(model);
                    }
                }));
    }

    private interface Check {
        void accept(LanguageModel model) throws Exception;
    }

    static LanguageModel create(Map<String, Object> changes) {
        return LanguageModel.create(TestModels.spec("custom", changes), DType.FP32, Device.CPU, 7);
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
    Stream<DynamicTest> aSavedModelComesBackToTheBit() {
        return forEvery(decoders(), model -> {
            model.save(folder, SaveOptions.DEFAULT);
            Tensor ids = Tensor.of(IDS, 2, 6);
            float[] before = model.logits(ids, null).toFloats();
            try (LanguageModel again = LanguageModel.load(folder, DType.FP32, Device.CPU)) {
                assertEquals("quern", again.spec().toJson(DType.FP32).get("model_type"));
                assertEquals(model.config(), again.config());
                assertArrayEquals(before, again.logits(ids, null).toFloats());
            }
        });
    }

    @TestFactory
    Stream<DynamicTest> gradientsBySegmentsAreThoseOfTheWholeGraph() {
        return forEvery(decoders(), model -> {
            Tensor ids = Tensor.of(IDS, 2, 6);
            Flow inputs = model.lossInputs(ids, null, ids);
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
                double error = gradients
                        .get(i)
                        .sub(parameters.get(i).grad())
                        .abs()
                        .max()
                        .item();
                double size = Math.max(1, gradients.get(i).abs().max().item());
                assertTrue(error <= GRADIENTS * size, parameters.get(i).name() + " " + error);
                assertTrue(
                        gradients.get(i).abs().max().item() > 0,
                        parameters.get(i).name() + " learns nothing");
            }
        });
    }
}
