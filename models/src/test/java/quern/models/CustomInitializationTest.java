package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;
import quern.models.part.initialization.MaximalUpdate;
import quern.models.part.initialization.NormalWeights;
import quern.models.part.initialization.ScaledResidual;
import quern.models.part.initialization.SmallInit;
import quern.models.part.initialization.T5Weights;
import quern.recipe.Technique;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** New weights have the standard deviations of the published rules. */
class CustomInitializationTest {
    /** Of the smallest matrix's 512 numbers the standard deviation is drawn to about 3%; four times that. */
    private static final double SHARE = 0.13;

    private static final int WIDTH = 64;
    private static final int INNER = 96;
    private static final int HEAD = 16;

    private static void check(Technique rule, Map<String, Object> changes, ToDoubleFunction<String> expected) {
        Map<String, Object> settings = new LinkedHashMap<>(changes);
        settings.putIfAbsent("initialization", rule.id());
        settings.putIfAbsent("position", "learned");
        settings.put("hidden_size", WIDTH);
        settings.put("intermediate_size", INNER);
        settings.put("num_hidden_layers", 3);
        try (LanguageModel model = LanguageModel.create(CustomModels.spec(settings), DType.FP32, Device.CPU, 11);
                Scope scope = Scope.open()) {
            for (Parameter p : model.parameters()) {
                if (p.value().dim() == 2) {
                    double wanted = expected.applyAsDouble(p.name());
                    Tensor x = p.value();
                    double std = Math.sqrt(x.square().mean().item());
                    assertEquals(wanted, std, wanted * SHARE, p.name());
                    assertTrue(Math.abs(x.mean().item()) < wanted * SHARE, p.name());
                } else {
                    assertTrue(p.name().contains("norm"), p.name());
                    assertEquals(1, p.value().mean().item(), p.name());
                }
            }
        }
    }

    private static boolean isResidual(String name) {
        return name.contains("o_proj") || name.contains("down_proj");
    }

    @Test
    void normal() {
        check(new NormalWeights(), Map.of(), name -> 0.02);
        check(new NormalWeights(), Map.of("initializer_range", 0.5), name -> 0.5);
    }

    @Test
    void gpt2ScalesTheMapsOntoTheStream() {
        check(
                new ScaledResidual(),
                Map.of("initializer_range", 0.1),
                name -> isResidual(name) ? 0.1 / Math.sqrt(2 * 3) : 0.1);
    }

    @Test
    void smallInit() {
        check(new SmallInit(), Map.of(), name -> Math.sqrt(2.0 / (5 * WIDTH)));
    }

    @Test
    void t5() {
        Map<String, Object> relative =
                Map.of("position", Map.of("type", "relative", "num_buckets", 128, "max_distance", 300));
        check(new T5Weights(), relative, name -> {
            if (name.contains("embed_tokens")) {
                return 1;
            }
            if (name.contains("q_proj")) {
                return 1 / Math.sqrt(WIDTH * HEAD);
            }
            return name.contains("down_proj") ? 1 / Math.sqrt(INNER) : 1 / Math.sqrt(WIDTH);
        });
    }

    /** Latent attention multiplies queries and keys over widths of its own. */
    @Test
    void t5DrawsQueriesByTheWidthOfTheirScores() {
        Map<String, Object> latent = Map.of(
                "type", "mla", "kv_lora_rank", 24, "qk_nope_head_dim", 20, "qk_rope_head_dim", 12, "v_head_dim", 8);
        Map<String, Object> settings =
                Map.of("attention", latent, "position", "rotary", "initialization", "t5", "hidden_size", WIDTH);
        try (LanguageModel model = LanguageModel.create(CustomModels.spec(settings), DType.FP32, Device.CPU, 11);
                Scope scope = Scope.open()) {
            Parameter queries = model.parameters().stream()
                    .filter(p -> p.name().endsWith("q_proj.weight"))
                    .findFirst()
                    .orElseThrow();
            double wanted = 1 / Math.sqrt(WIDTH * (20 + 12));
            assertEquals(wanted, Math.sqrt(queries.value().square().mean().item()), wanted * SHARE);
        }
    }

    /** Every map that reads the stream or a width that grows with it, whether a slot holds it or not. */
    @Test
    void mupSlowsAllHiddenMaps() {
        Map<String, Object> mup = Map.of("type", "mup", "base_width", WIDTH / 4);
        rates(
                mup,
                Map.of("feed_forward", "moe"),
                "q_proj",
                ".gate.weight",
                "experts.gate_up_proj",
                "experts.down_proj");
        rates(mup, Map.of("weight_sharing", Map.of("type", "universal", "halting", Map.of())), "halting.unit.weight");
        rates(
                mup,
                Map.of("weight_sharing", Map.of("type", "recursive", "num_recursions", 2), "num_hidden_layers", 4),
                "lora_A.weight");
    }

    private static void rates(Map<String, Object> mup, Map<String, Object> changes, String... slowed) {
        Map<String, Object> settings = new LinkedHashMap<>(changes);
        settings.put("initialization", mup);
        settings.put("hidden_size", WIDTH);
        try (LanguageModel model = LanguageModel.create(CustomModels.spec(settings), DType.FP32, Device.CPU, 11)) {
            for (String name : slowed) {
                List<Parameter> found = model.parameters().stream()
                        .filter(p -> p.name().contains(name))
                        .toList();
                assertTrue(!found.isEmpty(), name);
                found.forEach(p -> assertEquals(0.25, p.rateFactor(), p.name()));
            }
        }
    }

    @Test
    void mup() {
        check(
                new MaximalUpdate(),
                Map.of("initialization", Map.of("type", "mup", "base_width", 16), "initializer_range", 0.3),
                name -> name.contains("embed") || name.contains("lm_head")
                        ? 0.3
                        : 1 / Math.sqrt(name.contains("down_proj") ? INNER : WIDTH));
    }
}
