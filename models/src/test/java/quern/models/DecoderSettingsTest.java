package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import quern.models.internal.Json;
import quern.nn.Pass;
import quern.recipe.ExitCode;
import quern.recipe.GoldenCase;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;

/** Settings of decoder families: those that don't fit are refused in one line, and defaults and nulls mean what they do in transformers. */
class DecoderSettingsTest {
    private static final List<String> FAMILIES =
            List.of("gpt_neo", "gptj", "gpt_neox", "opt", "bloom", "falcon", "phi", "cohere", "glm", "ernie4_5");

    @TempDir
    Path folder;

    private static DynamicTest refused(String family, Map<String, Object> changes, String message) {
        return DynamicTest.dynamicTest(family + " " + changes, () -> {
            QuernException e = assertThrows(QuernException.class, () -> TestModels.spec(family, changes));
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertEquals("recipe.yaml:3:1: " + message, e.getMessage());
        });
    }

    @TestFactory
    Stream<DynamicTest> headsThatDoNotDivideTheWidth() {
        Map<String, String> keys = Map.of("gpt_neo", "num_heads", "gptj", "n_head", "bloom", "n_head");
        return FAMILIES.stream()
                .filter(family -> !family.equals("glm") && !family.equals("ernie4_5"))
                .map(family -> refused(
                        family,
                        Map.of("num_attention_heads", 3),
                        "%s: 3 heads don't divide %s 16; choose a divisor%s"
                                .formatted(
                                        keys.getOrDefault(family, "num_attention_heads"),
                                        family.equals("gptj") ? "n_embd" : "hidden_size",
                                        family.equals("cohere") ? ", or give head_dim" : "")));
    }

    @TestFactory
    Stream<DynamicTest> settingsThatDoNotFit() {
        return Stream.of(
                refused("gpt_neo", Map.of("window_size", 0), "window_size: 0 is out of range; expected at least 1"),
                refused(
                        "gpt_neo",
                        Map.of("attention_layers", List.of("global")),
                        "attention_layers: gives 1 blocks a kind, but num_layers is 2"),
                refused(
                        "gpt_neo",
                        Map.of("attention_types", List.of(List.of(List.of("sparse"), 2))),
                        "attention_types: unknown kind 'sparse'; known are global, local"),
                refused(
                        "gpt_neo",
                        Map.of("attention_types", List.of(List.of("global", 2))),
                        "attention_types: expected pairs of a list of kinds and a number, found [global, 2]"),
                refused(
                        "gptj",
                        Map.of("rotary_dim", 6),
                        "rotary_dim: 6 of 4 dimensions of a head turn; rotary positions need an even number from 2 to the width"),
                refused(
                        "phi",
                        Map.of("rope_parameters", Map.of("partial_rotary_factor", 0.25)),
                        "rope_parameters: 1 of 4 dimensions of a head turn; rotary positions need an even number from 2 to the width"),
                refused(
                        "phi",
                        Map.of("head_dim", 6, "qk_layernorm", true),
                        "head_dim: 6, but with qk_layernorm heads are hidden_size / num_attention_heads = 4 wide"),
                refused(
                        "cohere",
                        Map.of("rope_parameters", Map.of("partial_rotary_factor", 0.5)),
                        "rope_parameters: partial_rotary_factor: 0.5, but heads of this family turn as a whole; leave it out"),
                refused(
                        "cohere",
                        Map.of("num_key_value_heads", 3),
                        "num_key_value_heads: 3 doesn't divide num_attention_heads 4; choose a divisor"),
                refused(
                        "glm",
                        Map.of("num_key_value_heads", 3),
                        "num_key_value_heads: 3 doesn't divide num_attention_heads 4; choose a divisor"),
                refused(
                        "ernie4_5",
                        Map.of("head_dim", 5),
                        "head_dim: heads are 5 wide and 5 dimensions turn; rotary positions turn pairs, so their number must be even"),
                refused("opt", Map.of("pad_token_id", 23), "pad_token_id: 23 is outside the vocabulary of 23"),
                refused(
                        "bloom",
                        Map.of("slow_but_exact", true, "pretraining_tp", 4),
                        "slow_but_exact: true with pretraining_tp 4 leaves out biases of the model; set it to false"),
                refused(
                        "falcon",
                        Map.of("new_decoder_architecture", true, "num_kv_heads", 3),
                        "num_kv_heads: 3 doesn't divide num_attention_heads 4; choose a divisor"),
                refused(
                        "falcon",
                        Map.of("new_decoder_architecture", true, "parallel_attn", false),
                        "parallel_attn: false, but with new_decoder_architecture the parts are parallel; set it to true"),
                refused(
                        "falcon",
                        Map.of("multi_query", false, "num_kv_heads", 2),
                        "num_kv_heads: 2, but without multi_query and new_decoder_architecture there are as many as query heads, 4"),
                refused(
                        "falcon",
                        Map.of("num_ln_in_parallel_attn", 2),
                        "num_ln_in_parallel_attn: 2 norms need new_decoder_architecture"),
                refused(
                        "opt",
                        Map.of("dropout", 1.0),
                        "dropout: 1.0 is out of range; expected at least 0 and below 1"));
    }

    @Test
    void oneDropoutRateServesForAll() {
        Map<String, Object> settings = TestModels.spec("gpt_neox", Map.of("dropout", 0.2, "attention_dropout", 0.0))
                .settings();
        assertEquals(0.2, settings.get("hidden_dropout"));
        assertEquals(0.0, settings.get("attention_dropout"));
        assertFalse(settings.containsKey("dropout"));
    }

    @Test
    void blocksAlternateInANewModel() {
        ModelSpec spec = TestModels.spec("gpt_neo", Map.of("num_hidden_layers", 3));
        assertEquals(
                List.of(List.of(List.of("global", "local"), 1L), List.of(List.of("global"), 1L)),
                spec.settings().get("attention_types"));
    }

    private Map<String, Object> saved(String golden, Map<String, Object> changes) throws IOException {
        Map<String, Object> config =
                new LinkedHashMap<>(Json.read(GoldenCases.folder(golden).resolve("config.json")));
        changes.forEach((key, value) -> {
            if ("absent".equals(value)) {
                config.remove(key);
            } else {
                config.put(key, value);
            }
        });
        Files.write(folder.resolve("config.json"), Json.format(config));
        return ModelSpec.read(folder).toJson(DType.FP32);
    }

    /** A null padding token means none, and a missing key the family's. */
    @Test
    void nullIsNotTheDefault() throws IOException {
        assertEquals(
                1L,
                ((Number) saved("model-opt-pre-norm", Map.of("pad_token_id", "absent"))
                                .get("pad_token_id"))
                        .longValue());
        Map<String, Object> none = new LinkedHashMap<>();
        none.put("pad_token_id", null);
        Map<String, Object> json = saved("model-opt-pre-norm", none);
        assertTrue(json.containsKey("pad_token_id"));
        assertNull(json.get("pad_token_id"));
        none.put("head_dim", null);
        none.put("num_key_value_heads", null);
        assertEquals(4 * 8, ernieKeys(none));
        assertEquals(2 * 128, ernieKeys(Map.of("head_dim", "absent", "num_key_value_heads", "absent")));
    }

    /** The number of features of all keys of ERNIE 4.5 with 4 heads and a width of 32. */
    private long ernieKeys(Map<String, Object> changes) throws IOException {
        saved("model-ernie4_5-tied", changes);
        return ModelSpec.read(folder).shapes().parameters().get("model.layers.0.self_attn.k_proj.weight")[0];
    }

    /** What rope_parameters leave out is the family's own. */
    @Test
    void ropeDefaultsAreTheFamilys() throws IOException {
        Map<String, Object> rope = Map.of("rope_parameters", Map.of("rope_type", "default"));
        assertEquals(500_000.0, rope(saved("model-cohere-tied", rope)).get("rope_theta"));
        assertEquals(500_000.0, rope(saved("model-ernie4_5-tied", rope)).get("rope_theta"));
        assertEquals(0.25, rope(saved("model-gpt_neox-parallel", rope)).get("partial_rotary_factor"));
        assertEquals(0.5, rope(saved("model-glm-grouped", rope)).get("partial_rotary_factor"));
        Map<String, Object> older = Map.of("rope_parameters", "absent", "rotary_pct", 0.5, "rotary_emb_base", 50.0);
        assertEquals(0.5, rope(saved("model-gpt_neox-parallel", older)).get("partial_rotary_factor"));
        assertEquals(50.0, rope(saved("model-gpt_neox-parallel", older)).get("rope_theta"));
    }

    private static Map<?, ?> rope(Map<String, Object> json) {
        return (Map<?, ?>) json.get("rope_parameters");
    }

    /** A block left out of a training step gets no gradient there, and evaluation leaves none out. */
    @Test
    void layerDropLeavesBlocksOut() {
        GoldenCase c = GoldenCase.read(GoldenCases.folder("model-opt-no-final-norm"));
        long trained = 0;
        try (ModelGolden golden = new ModelGolden(c);
                LanguageModel model = LanguageModel.load(
                        c.folder(),
                        TestModels.block(Map.of("layerdrop", 0.5, "dropout", 0.0)),
                        DType.FP32,
                        Device.CPU)) {
            int blocks = model.config().layers();
            int steps = 20;
            for (int step = 0; step < steps; step++) {
                model.parameters().forEach(p -> p.clearGrad());
                golden.lossAndGradients(model, Pass.training(step));
                for (int block = 0; block < blocks; block++) {
                    String name = "model.decoder.layers." + block + ".fc1.weight";
                    trained += model.parameters().stream()
                            .filter(p -> p.name().equals(name) && p.grad().isDefined())
                            .count();
                }
            }
            // 60 draws at one half; 4 standard deviations are 15.
            assertEquals(0.5 * blocks * steps, trained, 15);
            model.parameters().forEach(p -> p.clearGrad());
            golden.lossAndGradients(model, Pass.evaluation());
            golden.gradientErrors(model)
                    .forEach((name, error) -> assertTrue(error <= c.tolerance("grads"), name + " " + error));
        }
    }
}
