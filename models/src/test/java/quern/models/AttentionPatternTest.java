package quern.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.models.part.PartTechnique;
import quern.models.part.attention.AutoAttention;
import quern.models.part.attention.BlockPattern;
import quern.models.part.attention.EagerAttention;
import quern.models.part.attention.FlashAttention;
import quern.models.part.attention.FullPattern;
import quern.models.part.attention.LocalGlobalPattern;
import quern.models.part.attention.LocalPattern;
import quern.models.part.attention.StridedPattern;
import quern.nn.AttentionImplementation;
import quern.nn.Flow;
import quern.nn.KeyValueCache;
import quern.nn.Pass;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** What attention sees, and in which way it is computed, chosen by a recipe. */
class AttentionPatternTest {
    /** Ways differ in the order of fp32 sums. */
    private static final double CLOSE = 1e-5;

    private static final int LENGTH = 24;

    private static Map<String, Object> with(Object... keysAndValues) {
        Map<String, Object> settings = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            settings.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return settings;
    }

    private static LanguageModel create(Map<String, Object> changes) {
        return LanguageModel.create(TestModels.spec("custom", changes), DType.FP32, Device.CPU, 7);
    }

    private static Tensor ids(int rows) {
        long[] ids = new long[rows * LENGTH];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (i * 7L + i / 5 + 3) % TestModels.VOCABULARY;
        }
        return Tensor.of(ids, rows, LENGTH);
    }

    /** Which earlier tokens the last logits depend on, found by changing each: what the first block lets the last query see. */
    private static List<Integer> seen(Object pattern) {
        List<Integer> seen = new ArrayList<>();
        try (LanguageModel model =
                        create(with("attention_pattern", pattern, "num_hidden_layers", 1, "position", "none"));
                Scope scope = Scope.open()) {
            Tensor before = model.logits(ids(1), null).narrow(1, LENGTH - 1, 1);
            for (int i = 0; i < LENGTH; i++) {
                Tensor changed = ids(1);
                changed.narrow(1, i, 1).fill_((changed.toLongs()[i] + 1) % TestModels.VOCABULARY);
                Tensor after = model.logits(changed, null).narrow(1, LENGTH - 1, 1);
                if (after.sub(before).abs().max().item() > 1e-6) {
                    seen.add(i);
                }
            }
        }
        return seen;
    }

    @Test
    void theLastQuerySeesWhatThePapersSay() {
        assertEquals(LENGTH, seen("full").size());
        assertEquals(List.of(20, 21, 22, 23), seen(Map.of("type", "local", "window", 4)));
        assertEquals(List.of(3, 8, 13, 18, 19, 20, 21, 22, 23), seen(Map.of("type", "strided", "stride", 5)));
        assertEquals(
                List.of(0, 1, 2, 3, 16, 17, 18, 19, 20, 21, 22, 23),
                seen(Map.of("type", "block", "block_size", 4, "num_neighbours", 1, "num_global_blocks", 1)));
        assertEquals(
                List.of(0, 1, 21, 22, 23), seen(Map.of("type", "local_global", "window", 3, "num_global_tokens", 2)));
    }

    @Test
    void everyPatternAndEveryWayIsATechnique() {
        List<PartTechnique> all = List.of(
                new FullPattern(),
                new LocalPattern(),
                new StridedPattern(),
                new BlockPattern(),
                new LocalGlobalPattern(),
                new AutoAttention(),
                new EagerAttention(),
                new FlashAttention());
        assertEquals(
                List.of("full", "local", "strided", "block", "local_global", "auto", "eager", "flash"),
                all.stream().map(PartTechnique::id).toList());
    }

    /** A run's choice: for every family, against the goldens, and in no file. */
    @TestFactory
    Stream<DynamicTest> inBlocksEveryFamilyGivesTheGoldenLossAndGradients() {
        return GoldenCases.all().stream()
                .filter(c -> attends(c.folder()))
                .map(c -> DynamicTest.dynamicTest(c.name(), () -> {
                    Block flash = TestModels.block(Map.of("attn_implementation", "flash"));
                    try (ModelGolden golden = new ModelGolden(c);
                            LanguageModel model = LanguageModel.load(c.folder(), flash, DType.FP32, Device.CPU)) {
                        assertEquals(
                                AttentionImplementation.FLASH, model.network().attention());
                        assertFalse(model.spec().toJson(DType.FP32).containsKey("attn_implementation"));
                        double loss = golden.lossAndGradients(model, Pass.training(1));
                        assertEquals(golden.tensor("loss").item(), loss, c.tolerance("loss") * Math.max(1, loss));
                        golden.gradientErrors(model)
                                .forEach(
                                        (name, error) -> assertTrue(error <= c.tolerance("grads"), name + " " + error));
                    }
                }));
    }

    /** All families but the image tokenizer's. */
    private static boolean attends(Path folder) {
        try {
            return !Files.readString(folder.resolve("config.json")).contains("\"vqvae\"");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String refusal(Object... keysAndValues) {
        QuernException e = assertThrows(
                QuernException.class, () -> create(with(keysAndValues)).close());
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
        return e.getMessage();
    }

    @Test
    void whatMakesNoSenseIsRefused() {
        assertTrue(refusal("attention_pattern", Map.of("type", "local_global", "window", 32, "num_global_tokens", 2))
                .contains("34 keys are more than max_position_embeddings 32"));
        assertTrue(refusal("attention_pattern", Map.of("type", "local", "window", 33))
                .contains("33 keys are more"));
        assertTrue(refusal("attention_pattern", Map.of("type", "strided", "stride", 0))
                .contains("stride"));
        assertTrue(refusal("attention_pattern", Map.of("type", "strided", "stride", 40))
                .contains("40 keys are more"));
        assertTrue(refusal("attention_pattern", Map.of("type", "block", "block_size", 32))
                .contains("96 keys are more"));
        assertTrue(refusal("attention_pattern", Map.of("type", "local", "window", 4), "structure", "prefix_lm")
                .contains("the tokens of a prefix see each other whole"));
        assertTrue(refusal("attn_implementation", "flash", "position", "shaw").contains("attn_implementation: flash"));
        assertTrue(refusal("attn_implementation", "sdpa").contains("sdpa"));
    }

    @Test
    void aWayThatTheModelCantTakeIsRefusedWithItsLine() {
        Block recipe = RecipeFile.load("recipe.yaml", """
                model:
                  family: custom
                  hidden_size: 16
                  num_hidden_layers: 1
                  num_attention_heads: 2
                  position: shaw
                  attn_implementation: flash
                """, List.of());
        ModelSpec spec = ModelSpec.fromRecipe(recipe.block("model"), 40, SpecialTokens.NONE);
        String message = assertThrows(QuernException.class, spec::shapes).getMessage();
        assertTrue(message.startsWith("recipe.yaml:7:3: attn_implementation: flash: "), message);
    }

    /** Token by token with a cache, whose prompt went in blocks, is as one pass without; of padded rows too. */
    @ParameterizedTest
    @ValueSource(strings = {"local", "strided", "block", "local_global"})
    void aCacheChangesNothing(String pattern) {
        Map<String, Object> sizes = switch (pattern) {
            case "local" -> Map.of("type", pattern, "window", 4);
            case "strided" -> Map.of("type", pattern, "stride", 3);
            case "block" -> Map.of("type", pattern, "block_size", 4);
            default -> Map.of("type", pattern, "window", 3, "num_global_tokens", 2);
        };
        try (LanguageModel model =
                        create(with("attention_pattern", List.of("full", sizes), "attn_implementation", "flash"));
                Scope scope = Scope.open();
                KeyValueCache cache = new KeyValueCache()) {
            long[] real = new long[2 * LENGTH];
            java.util.Arrays.fill(real, 3, real.length, 1);
            Tensor padding = Tensor.of(real, 2, LENGTH);
            Tensor ids = ids(2);
            Tensor whole = model.logits(ids, padding);
            for (int at = 0; at < LENGTH; ) {
                int count = at == 0 ? 13 : 1;
                Flow inputs = new Flow()
                        .put("input_ids", ids.narrow(1, at, count))
                        .put("attention_mask", padding.narrow(1, 0, at + count));
                Tensor part = model.network()
                        .infer(inputs, Pass.evaluation().withCache(cache))
                        .get("logits");
                int from = at == 0 ? 3 : 0;
                assertArrayEquals(
                        whole.narrow(1, at + from, count - from).contiguous().toFloats(),
                        part.narrow(1, from, count - from).contiguous().toFloats(),
                        (float) CLOSE,
                        "at " + at);
                at += count;
            }
        }
    }
}
