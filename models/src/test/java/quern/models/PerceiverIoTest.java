package quern.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.models.part.structure.PerceiverIo;
import quern.nn.Flow;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** The laws of {@link PerceiverIo}. */
class PerceiverIoTest {
    /** fp32 against loops in fp64, beside logits of about 5; worst seen 5e-6. */
    private static final double SLOW = 5e-5;

    /** The same sums in another order. */
    private static final double ORDER = 1e-5;

    private static final double GRADIENTS = 2e-5;

    private static final long[] IDS = {4, 9, 2, 17, 5, 5, 20, 3, 11, 8, 1, 6};

    @TempDir
    Path folder;

    private static LanguageModel create(Task task, Map<String, Object> changes) {
        Map<String, Object> settings = new LinkedHashMap<>(TestModels.settings("custom"));
        settings.putAll(Map.of(
                "structure",
                Map.of("type", "perceiver_io", "num_latents", 3),
                "position",
                "learned",
                "initializer_range",
                0.3));
        settings.putAll(changes);
        SpecialTokens tokens = new SpecialTokens(OptionalInt.of(1), OptionalInt.of(2), OptionalInt.empty());
        ModelSpec spec =
                ModelSpec.fromRecipe(TestModels.block(settings), TestModels.VOCABULARY, tokens, Optional.of(task));
        return LanguageModel.create(spec, DType.FP32, Device.CPU, 7);
    }

    private static Tensor ids() {
        return Tensor.of(IDS, 2, 6);
    }

    @ParameterizedTest
    @CsvSource({"learned, layer_norm, gelu, true", "sinusoidal, rms_norm, swiglu, false"})
    void logitsAreThoseOfSlowLoops(String position, String norm, String feedForward, boolean tied) {
        try (LanguageModel model = create(
                        Task.MASKED_LM,
                        Map.of(
                                "position", position,
                                "norm", norm,
                                "feed_forward", feedForward,
                                "tie_word_embeddings", tied));
                Scope scope = Scope.open()) {
            float[] logits = model.logits(ids(), null).toFloats();
            SlowModel slow = new SlowModel(model);
            for (int row = 0; row < 2; row++) {
                double[][] expected = slow.perceiver(Arrays.copyOfRange(IDS, row * 6, row * 6 + 6));
                for (int t = 0; t < 6; t++) {
                    for (int v = 0; v < TestModels.VOCABULARY; v++) {
                        assertEquals(expected[t][v], logits[(row * 6 + t) * TestModels.VOCABULARY + v], SLOW);
                    }
                }
            }
        }
    }

    @Test
    void withoutPositionsOrderMeansNothing() {
        try (LanguageModel none = create(Task.SEQUENCE_CLASSIFICATION, Map.of("position", "none"));
                LanguageModel learned = create(Task.SEQUENCE_CLASSIFICATION, Map.of());
                Scope scope = Scope.open()) {
            Tensor turned = ids().flip(1);
            assertEquals(
                    0,
                    none.logits(ids(), null)
                            .sub(none.logits(turned, null))
                            .abs()
                            .max()
                            .item(),
                    ORDER);
            assertTrue(learned.logits(ids(), null)
                            .sub(learned.logits(turned, null))
                            .abs()
                            .max()
                            .item()
                    > 1e-3);
        }
    }

    @Test
    void paddingIsNotRead() {
        try (LanguageModel model = create(Task.MASKED_LM, Map.of());
                Scope scope = Scope.open()) {
            Tensor alone = model.logits(ids(), null);
            Tensor padded = Tensor.cat(List.of(ids(), Tensor.full(7, DType.INT64, Device.CPU, 2, 3)), 1);
            Tensor mask = Tensor.cat(
                    List.of(
                            Tensor.full(1, DType.INT64, Device.CPU, 2, 6),
                            Tensor.full(0, DType.INT64, Device.CPU, 2, 3)),
                    1);
            assertEquals(
                    0,
                    model.logits(padded, mask)
                            .narrow(1, 0, 6)
                            .sub(alone)
                            .abs()
                            .max()
                            .item(),
                    ORDER);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"masked_lm", "sequence_classification", "token_classification"})
    void savesLoadsAndLearns(String task) {
        try (LanguageModel model = create(Task.of(task), Map.of("weight_sharing", "albert", "num_hidden_layers", 3));
                Scope scope = Scope.open()) {
            model.save(folder, SaveOptions.DEFAULT);
            try (LanguageModel again = LanguageModel.load(folder, DType.FP32, Device.CPU)) {
                assertEquals(Task.of(task), again.spec().task());
                assertArrayEquals(
                        model.logits(ids(), null).toFloats(),
                        again.logits(ids(), null).toFloats());
            }
            Tensor labels = task.equals("sequence_classification") ? Tensor.of(new long[] {1, 0}, 2) : labels(task);
            Flow inputs = model.lossInputs(ids(), null, labels);
            try (Tape tape = model.network().forward(inputs, Pass.training(1))) {
                tape.backward(Map.of(
                        "loss",
                        Tensor.full(1, DType.FP32, Device.CPU, tape.get("loss").shape())));
            }
            Flow whole = model.network().wholeGraph(Map.of(), inputs, Pass.training(1));
            List<Parameter> parameters = model.parameters();
            List<Tensor> gradients = Autograd.grad(
                    List.of(whole.get("loss")),
                    parameters.stream().map(Parameter::value).toList(),
                    List.of(Tensor.full(
                            1, DType.FP32, Device.CPU, whole.get("loss").shape())),
                    false,
                    false);
            for (int i = 0; i < gradients.size(); i++) {
                Parameter p = parameters.get(i);
                double size = gradients.get(i).abs().max().item();
                assertTrue(size > 0, p.name() + " learns nothing");
                assertTrue(
                        gradients.get(i).sub(p.grad()).abs().max().item() <= GRADIENTS * Math.max(1, size), p.name());
            }
        }
    }

    private static Tensor labels(String task) {
        return task.equals("masked_lm") ? ids() : ids().ge(8).to(DType.INT64);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "position | rotary | positions can only be added to token vectors",
                "position | alibi | positions can only be added to token vectors",
                "position | none | asks about each position",
                "norm_placement | post | norms what it reads before it reads it",
            })
    void refusesWithTheReason(String key, String value, String expected) {
        QuernException refused = assertThrows(
                QuernException.class,
                () -> create(Task.MASKED_LM, Map.of(key, value)).close());
        assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
        assertTrue(refused.getMessage().contains(expected), refused.getMessage());
        assertEquals(1, refused.getMessage().lines().count());
    }

    @Test
    void refusesHaltingLatentsAndGenerating() {
        QuernException halting = assertThrows(
                QuernException.class,
                () -> create(Task.MASKED_LM, Map.of("weight_sharing", Map.of("type", "universal", "halting", Map.of())))
                        .close());
        assertTrue(halting.getMessage().contains("are no positions of a text"), halting.getMessage());
        QuernException causal = assertThrows(
                QuernException.class, () -> create(Task.CAUSAL_LM, Map.of()).close());
        assertTrue(causal.getMessage().contains("not for causal_lm"), causal.getMessage());
    }
}
