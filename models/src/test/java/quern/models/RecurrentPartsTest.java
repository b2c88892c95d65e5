package quern.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
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
import quern.models.part.attention.Mamba;
import quern.models.part.attention.MultiHeadLatent;
import quern.models.part.feedforward.SwitchExperts;
import quern.models.part.feedforward.TopKExperts;
import quern.models.part.recurrence.Compressive;
import quern.models.part.recurrence.TransformerXl;
import quern.nn.Flow;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Experts, latent attention and memories as parts of a composed model. */
class RecurrentPartsTest {
    /** Gradients by segments and of the whole graph differ in the order of sums only. */
    private static final double GRADIENTS = 2e-5;

    private static final long[] IDS = {4, 9, 2, 17, 5, 5, 20, 3, 11, 8, 1, 6};

    @TempDir
    Path folder;

    private static Map<String, Object> part(String type, Object... keysAndValues) {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("type", type);
        for (int i = 0; i < keysAndValues.length; i += 2) {
            settings.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return settings;
    }

    private static final Map<String, Object> LATENT = part(
            new MultiHeadLatent().id(),
            "kv_lora_rank",
            6,
            "qk_nope_head_dim",
            4,
            "qk_rope_head_dim",
            2,
            "v_head_dim",
            5);

    private static Map<String, Object> latentWith(String key, Object value) {
        Map<String, Object> all = new LinkedHashMap<>(LATENT);
        all.put(key, value);
        return all;
    }

    private static final Map<String, Object> COMPRESSIVE =
            part(new Compressive().id(), "memory_length", 2, "compressed_memory_length", 3, "compression_rate", 2);

    private static Map<String, Map<String, Object>> models() {
        Map<String, Map<String, Object>> all = new LinkedHashMap<>();
        all.put(
                "moe",
                Map.of(
                        "feed_forward",
                        part(new TopKExperts().id(), "num_local_experts", 4, "router_z_loss_coef", 0.01)));
        all.put(
                "moe with shared experts and a capacity",
                Map.of(
                        "feed_forward",
                        part(
                                "moe",
                                "num_local_experts",
                                4,
                                "num_shared_experts",
                                1,
                                "expert",
                                "gelu",
                                "capacity_factor",
                                1.0)));
        all.put("switch", Map.of("feed_forward", part(new SwitchExperts().id(), "num_local_experts", 3)));
        all.put(
                "moe in an encoder",
                Map.of("structure", "encoder", "feed_forward", part("moe", "num_local_experts", 3)));
        all.put(
                "switch on both sides",
                Map.of(
                        "structure",
                        "encoder_decoder",
                        "feed_forward",
                        part("switch", "num_local_experts", 3, "capacity_factor", 2.0)));
        all.put("mla", Map.of("attention", LATENT));
        all.put("mla with compressed queries", Map.of("attention", latentWith("q_lora_rank", 6)));
        all.put(
                "transformer_xl",
                Map.of("recurrence", part(new TransformerXl().id(), "memory_length", 4), "position", "none"));
        all.put(
                "mamba",
                Map.of(
                        "attention",
                        part(new Mamba().id(), "state_size", 4, "chunk_size", 5, "conv_kernel", 3),
                        "position",
                        "none"));
        all.put("compressive", Map.of("recurrence", COMPRESSIVE, "position", "none"));
        return all;
    }

    private interface Check {
        void accept(LanguageModel model, Map<String, Tensor> batch) throws Exception;
    }

    private static Stream<DynamicTest> forEvery(Check check) {
        return models().entrySet().stream()
                .map(e -> DynamicTest.dynamicTest(e.getKey(), () -> {
                    try (LanguageModel model = CustomModels.create(e.getValue());
                            Scope scope = Scope.open()) {
                        check.accept(model, CustomModels.batch(e.getValue(), Tensor.of(IDS, 2, 6)));
                    }
                }));
    }

    @TestFactory
    Stream<DynamicTest> aSavedModelComesBackToTheBit() {
        return forEvery((model, batch) -> {
            model.save(folder, SaveOptions.DEFAULT);
            float[] before = model.outputs(batch).get("logits").toFloats();
            try (LanguageModel again = LanguageModel.load(folder, DType.FP32, Device.CPU)) {
                assertEquals(model.config(), again.config());
                assertArrayEquals(before, again.outputs(batch).get("logits").toFloats());
            }
        });
    }

    @TestFactory
    Stream<DynamicTest> gradientsBySegmentsAreThoseOfTheWholeGraph() {
        return forEvery((model, batch) -> {
            batch.put("labels", Tensor.of(IDS, 2, 6).flip(1));
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
                    true,
                    false);
            for (int i = 0; i < gradients.size(); i++) {
                String name = parameters.get(i).name();
                assertTrue(gradients.get(i).isDefined(), name + " has no gradient");
                double error = gradients
                        .get(i)
                        .sub(parameters.get(i).grad())
                        .abs()
                        .max()
                        .item();
                double size = Math.max(1, gradients.get(i).abs().max().item());
                assertTrue(error <= GRADIENTS * size, name + " " + error);
                assertTrue(gradients.get(i).abs().max().item() > 0, name + " learns nothing");
            }
        });
    }

    @TestFactory
    Stream<DynamicTest> generationWithACacheIsThatWithout() {
        return forEvery((model, batch) -> {
            if (model.spec().task() == Task.MASKED_LM) {
                return;
            }
            GenerationConfig config = model.generationConfig();
            // Past the 32 positions of a row: where a memory is carried there is no end to a text.
            boolean endless = model.config().contextLength() == Integer.MAX_VALUE;
            Map<String, Object> settings =
                    Map.of("do_sample", false, "max_new_tokens", endless ? 40 : 20, "eos_token_id", List.of());
            GenerationConfig cached = with(config, settings, true);
            GenerationConfig plain = with(config, settings, false);
            List<long[]> prompts = List.of(new long[] {4, 9, 2, 17, 5}, new long[] {3, 11, 8, 1, 6});
            List<Generator.Generated> expected = new Generator(model, plain, null).generate(prompts);
            assertEquals(expected, new Generator(model, cached, null).generate(prompts));
            assertEquals(endless ? 40 : 20, expected.getFirst().tokens().length);
        });
    }

    private static GenerationConfig with(GenerationConfig config, Map<String, Object> settings, boolean cache) {
        Map<String, Object> all = new LinkedHashMap<>(settings);
        all.put("use_cache", cache);
        return config.with(TestModels.block(all));
    }

    private static void refused(String message, Map<String, Object> changes) {
        QuernException e = assertThrows(QuernException.class, () -> CustomModels.spec(changes));
        assertTrue(e.getMessage().contains(message), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    private static Map<String, Object> xl(String key, Object value) {
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("recurrence", "transformer_xl");
        all.put("position", "none");
        all.put(key, value);
        return all;
    }

    private static Map<String, Object> mamba(Object... keysAndValues) {
        Map<String, Object> all = part("custom", keysAndValues);
        all.remove("type");
        all.putIfAbsent("attention", "mamba");
        all.put("position", "none");
        return all;
    }

    @Test
    void decaysAndStepsOfANewMambaAreSpreadAsPublished() {
        try (LanguageModel model = LanguageModel.create(CustomModels.spec(mamba()), DType.FP32, Device.CPU, 7)) {
            for (Parameter p : model.parameters()) {
                float[] x = p.value().toFloats();
                if (p.name().endsWith("A_log")) {
                    assertEquals(1, Math.exp(x[0]), 1e-6);
                    assertEquals(16, Math.exp(x[x.length - 1]), 1e-4);
                } else if (p.name().endsWith("dt_bias")) {
                    assertEquals(0.001, Math.log1p(Math.exp(x[0])), 1e-8);
                    assertEquals(0.1, Math.log1p(Math.exp(x[x.length - 1])), 1e-6);
                }
            }
        }
    }

    /** Such a part has widths of its own, so that heads need not divide the stream's. */
    @Test
    void headsWithWidthsOfTheirOwnMayBeOfAnyNumber() {
        long heads = 5;
        ModelSpec latent = CustomModels.spec(Map.of("attention", LATENT, "num_attention_heads", heads));
        ModelSpec mamba =
                CustomModels.spec(mamba("attention", part("mamba", "expand", 5), "num_attention_heads", heads));
        assertTrue(latent.config().width() % heads != 0 && mamba.config().width() % heads != 0);
        assertTrue(latent.shapes().count() > 0 && mamba.shapes().count() > 0);
    }

    @Test
    void aModelWithoutAttentionComputesItInNoWay() {
        ModelSpec spec = CustomModels.spec(mamba("attn_implementation", "eager"));
        QuernException e = assertThrows(QuernException.class, spec::shapes);
        assertTrue(e.getMessage().contains(" attn_implementation: eager: the model has no attention"), e.getMessage());
    }

    @Test
    void whatMakesNoSenseIsRefused() {
        refused(
                "3 of 2 experts",
                Map.of("feed_forward", part("moe", "num_local_experts", 2, "num_experts_per_tok", 3)));
        refused("capacity_factor", Map.of("feed_forward", part("switch", "capacity_factor", 0)));
        refused("capacity_factor", Map.of("feed_forward", part("moe", "capacity_factor", -1)));
        refused("mlp_bias", Map.of("feed_forward", "moe", "mlp_bias", true));
        refused("position: none", xl("position", "rotary"));
        refused("position: none", Map.of("recurrence", "compressive"));
        refused("attention: mha", xl("attention", "mqa"));
        refused("qk_norm", xl("qk_norm", true));
        refused("attn_logit_softcapping", xl("attn_logit_softcapping", 30.0));
        refused("attention_sinks", xl("attention_sinks", true));
        refused(
                "memory_length 5 is no multiple of compression_rate 2",
                xl("recurrence", part("compressive", "memory_length", 5, "compression_rate", 2)));
        refused("num_key_value_heads", Map.of("attention", LATENT, "num_key_value_heads", 2));
        refused("position: rotary", Map.of("attention", LATENT, "position", "learned"));
        refused(
                "position: rotary",
                Map.of("attention", LATENT, "position", part("rotary", "partial_rotary_factor", 0.5)));
        refused("qk_norm", Map.of("attention", LATENT, "qk_norm", true));
        refused("recurrence: none", Map.of("attention", LATENT, "recurrence", "transformer_xl"));
        refused("position: none", Map.of("attention", "mamba"));
        refused("num_attention_heads", mamba("num_attention_heads", 7));
        refused("attention_dropout", mamba("attention_dropout", 0.1));
        refused("attention_sinks", mamba("attention_sinks", true));
        refused("num_key_value_heads", mamba("num_key_value_heads", 2));
        refused("recurrence: none", mamba("recurrence", "transformer_xl"));
        refused("head_dim", mamba("head_dim", 8));
        refused("head_dim", Map.of("attention", LATENT, "head_dim", 8));
        refused("rotary turns 3", Map.of("attention", latentWith("qk_rope_head_dim", 3)));
    }
}
