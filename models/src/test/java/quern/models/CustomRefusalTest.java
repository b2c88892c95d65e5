package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import quern.models.custom.Model;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** Combinations of parts that make no sense, and keys that would have no effect, are refused in one line with the reason. */
class CustomRefusalTest {
    private record Case(String message, Map<String, Object> settings) {}

    private static Case refused(String message, Object... settings) {
        return new Case(message, CustomModels.with(settings));
    }

    private static List<Case> cases() {
        return List.of(
                refused("a model knows positions in one way", "position", List.of("alibi", "rotary")),
                refused("unknown position 'rotory' (did you mean 'rotary'?)", "position", "rotory"),
                refused("unknown key 'theta'", "position", Map.of("type", "rotary", "theta", 5)),
                refused("unknown key 'rope_theta'", "position", Map.of("type", "alibi", "rope_theta", 5.0)),
                refused("missing key 'type'", "norm", Map.of("eps", 1e-5)),
                refused("num_attention_heads: 3 heads don't divide hidden_size 16", "num_attention_heads", 3),
                refused("num_key_value_heads: 2, but in attention: mha each of the 4 heads", "num_key_value_heads", 2),
                refused("num_key_value_heads: 2, but in attention: mqa", "attention", "mqa", "num_key_value_heads", 2),
                refused("num_key_value_heads: missing; attention: gqa", "attention", "gqa"),
                refused("num_key_value_heads: 3 doesn't divide", "attention", "gqa", "num_key_value_heads", 3),
                refused("position: rotary turns 5 of the 5 dimensions", "head_dim", 5),
                refused(
                        "position: rotary turns 1 of the 4 dimensions",
                        "position",
                        Map.of("type", "rotary", "partial_rotary_factor", 0.25)),
                refused("an encoder sees all tokens at once", "structure", "encoder", "position", "none"),
                refused("an encoder sees all tokens at once", "structure", "encoder_decoder", "position", "none"),
                refused("num_buckets: 6", "position", Map.of("type", "relative", "num_buckets", 6)),
                refused(
                        "max_distance: 16 is not more than the 16",
                        "position",
                        Map.of("type", "relative", "max_distance", 16)),
                refused("parallel_residual: branches", "parallel_residual", true, "norm_placement", "post"),
                refused("parallel_residual: a decoder", "parallel_residual", true, "structure", "encoder_decoder"),
                refused("num_encoder_layers: only", "num_encoder_layers", 2),
                refused("decoder_start_token_id: only", "decoder_start_token_id", 2),
                refused(
                        "decoder_start_token_id: 99 is outside",
                        "structure",
                        "encoder_decoder",
                        "decoder_start_token_id",
                        99),
                refused("attention_pattern: an empty list", "attention_pattern", List.of()),
                refused(
                        "attention_pattern: 3 patterns for 2 blocks",
                        "attention_pattern",
                        List.of("full", Map.of("type", "full"), "full")),
                refused(
                        "initializer_range: has no effect on initialization: small_init",
                        "initialization",
                        "small_init",
                        "initializer_range",
                        0.1),
                refused(
                        "initializer_range: has no effect on initialization: t5",
                        "initialization",
                        "t5",
                        "initializer_range",
                        0.1),
                refused("qk_norm: initialization: t5", "initialization", "t5", "qk_norm", true),
                refused("norm_placement: expected one of pre, post, sandwich", "norm_placement", "before"),
                refused("pad_token_id: 99 is outside the vocabulary", "pad_token_id", 99),
                refused("attn_logit_softcapping: 0", "attn_logit_softcapping", 0.0));
    }

    @TestFactory
    Stream<DynamicTest> refusals() {
        return cases().stream()
                .map(c -> DynamicTest.dynamicTest(c.settings.toString(), () -> {
                    QuernException refused = assertThrows(QuernException.class, () -> CustomModels.spec(c.settings));
                    assertTrue(refused.getMessage().contains(c.message), refused.getMessage());
                    assertTrue(refused.getMessage().startsWith("recipe.yaml:3:1"), refused.getMessage());
                    assertFalse(refused.getMessage().contains("\n"), refused.getMessage());
                    assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
                }));
    }

    @Test
    void aStructureIsForItsTasks() {
        Map<String, Object> encoder = CustomModels.with("structure", "encoder");
        Map<String, Object> settings = TestModels.settings(new Model().id());
        settings.putAll(encoder);
        ModelSpec spec = ModelSpec.fromRecipe(
                TestModels.block(settings), TestModels.VOCABULARY, SpecialTokens.NONE, Optional.of(Task.CAUSAL_LM));
        QuernException refused = assertThrows(QuernException.class, spec::outline);
        assertTrue(
                refused.getMessage().contains(": structure: encoder: such a model is for masked_lm"),
                refused::getMessage);
        assertTrue(refused.getMessage().contains("not for causal_lm"), refused::getMessage);
    }
}
