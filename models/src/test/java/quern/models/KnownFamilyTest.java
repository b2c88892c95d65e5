package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import quern.nn.Flow;
import quern.nn.FusedDecoder;
import quern.nn.Pass;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.Kernels;

/** Composed models that are one of a known family are written as that, and give the same logits when read again. */
class KnownFamilyTest {
    /** The same operators in the same order, but for the one product that makes queries, keys and values. */
    private static final double SAME = 1e-6;

    private static final long[] IDS = {4, 9, 2, 17, 5, 5, 20, 3, 11, 8, 1, 6};

    @TempDir
    Path folder;

    private static final Map<String, Object> BIASED = CustomModels.with(
            "norm",
            Map.of("type", "layer_norm", "eps", 1e-4),
            "attention_bias",
            true,
            "mlp_bias",
            true,
            "feed_forward",
            "gelu");

    private static Map<String, Object> biased(Object... more) {
        Map<String, Object> all = new LinkedHashMap<>(BIASED);
        all.putAll(CustomModels.with(more));
        return all;
    }

    private static Map<String, Map<String, Object>> models() {
        Map<String, Map<String, Object>> all = new LinkedHashMap<>();
        all.put("llama", CustomModels.with());
        all.put(
                "llama tied",
                CustomModels.with(
                        "attention",
                        "gqa",
                        "num_key_value_heads",
                        2,
                        "tie_word_embeddings",
                        true,
                        "head_dim",
                        6,
                        "feed_forward",
                        "geglu",
                        "attention_bias",
                        true,
                        "residual_dropout",
                        0.1,
                        "embedding_dropout",
                        0.1,
                        "position",
                        Map.of("type", "rotary", "rope_theta", 500.0),
                        "initialization",
                        "small_init"));
        all.put("mistral", CustomModels.with("attention_pattern", List.of(Map.of("type", "local", "window", 4))));
        all.put("qwen3", CustomModels.with("qk_norm", true, "attention", "mqa"));
        all.put("gpt2", biased("position", "learned", "tie_word_embeddings", true, "initialization", "gpt2"));
        all.put("gpt2 untied", biased("position", "learned", "feed_forward", "relu", "intermediate_size", 24));
        all.put(
                "gpt_neox",
                biased(
                        "position",
                        Map.of("type", "rotary", "partial_rotary_factor", 0.5),
                        "parallel_residual",
                        true,
                        "feed_forward",
                        Map.of("type", "gelu", "approximate", "none")));
        all.put("gpt_neox sequential", biased("tie_word_embeddings", true));
        all.put("bloom", biased("position", "alibi", "embedding_norm", true, "tie_word_embeddings", true));
        all.put(
                "bert",
                biased(
                        "structure",
                        "encoder",
                        "position",
                        "learned",
                        "norm_placement",
                        "post",
                        "embedding_norm",
                        true,
                        "tie_word_embeddings",
                        true));
        all.put(
                "bert untied",
                biased(
                        "structure",
                        "encoder",
                        "position",
                        "learned",
                        "norm_placement",
                        "post",
                        "embedding_norm",
                        true));
        return all;
    }

    @TestFactory
    Stream<DynamicTest> theSameLogitsFromAKnownFamilysFolder() {
        return models().entrySet().stream()
                .map(e -> DynamicTest.dynamicTest(e.getKey(), () -> {
                    String family = e.getKey().split(" ")[0];
                    try (LanguageModel model = CustomModels.create(e.getValue());
                            LanguageModel known = model.asKnownFamily().orElseThrow();
                            Scope scope = Scope.open()) {
                        known.save(folder, SaveOptions.DEFAULT);
                        Tensor ids = Tensor.of(IDS, 2, 6);
                        Tensor own = model.logits(ids, null);
                        try (LanguageModel again = LanguageModel.load(folder, DType.FP32, Device.CPU)) {
                            assertEquals(family, again.spec().family().id());
                            assertEquals(model.spec().task(), again.spec().task());
                            assertEquals(
                                    model.config().contextLength(),
                                    again.config().contextLength());
                            double error =
                                    again.logits(ids, null).sub(own).abs().max().item();
                            double size = own.abs().max().item();
                            assertTrue(error <= SAME * Math.max(1, size), error + " of " + size);
                        }
                    }
                }));
    }

    /** One change each that no family has. */
    @TestFactory
    Stream<DynamicTest> aModelOfNoFamilyIsNone() {
        return Stream.of(
                        CustomModels.with("norm_placement", "sandwich"),
                        CustomModels.with("attention_sinks", true),
                        CustomModels.with("embedding_size", 8),
                        CustomModels.with("weight_sharing", "albert"),
                        CustomModels.with("attn_logit_softcapping", 5.0),
                        CustomModels.with("residual_dropout", 0.1),
                        CustomModels.with("initialization", "t5"),
                        CustomModels.with("position", "shaw"),
                        CustomModels.with("structure", "prefix_lm"),
                        CustomModels.with("norm", "layer_norm"),
                        CustomModels.with("position", Map.of("type", "rotary", "pairing", "neighbours")),
                        biased("position", "learned", "head_dim", 6),
                        biased("position", "learned", "structure", "prefix_lm"),
                        biased("structure", "encoder", "position", "rotary", "norm_placement", "post"))
                .map(settings -> DynamicTest.dynamicTest(settings.toString(), () -> {
                    try (LanguageModel model = CustomModels.create(settings)) {
                        assertEquals(Optional.empty(), model.asKnownFamily());
                    }
                }));
    }

    /** Wide enough for hand-written blocks to be taken, a composed model takes those of its family and has its loss. */
    @TestFactory
    Stream<DynamicTest> theSameLossByTheSameHandWrittenBlocks() {
        return List.of("llama", "llama tied", "gpt2", "gpt2 untied").stream()
                .map(name -> DynamicTest.dynamicTest(name, () -> {
                    Map<String, Object> settings = new LinkedHashMap<>(models().get(name));
                    settings.putAll(CustomModels.with("hidden_size", 64, "max_position_embeddings", 128));
                    settings.remove("head_dim");
                    settings.remove("residual_dropout");
                    settings.remove("embedding_dropout");
                    try (LanguageModel model = CustomModels.create(settings);
                            LanguageModel known = model.asKnownFamily().orElseThrow();
                            Scope scope = Scope.open()) {
                        long[] ids = new long[4 * 128];
                        for (int i = 0; i < ids.length; i++) {
                            ids[i] = (31L * i * i + 7L * i) % TestModels.VOCABULARY;
                        }
                        Tensor text = Tensor.of(ids, 4, 128);
                        Flow inputs = model.lossInputs(text, null, text);
                        double own = model.network()
                                .infer(inputs, Pass.evaluation())
                                .get("loss")
                                .item();
                        double others = known.network()
                                .infer(inputs, Pass.evaluation())
                                .get("loss")
                                .item();
                        assertEquals(others, own, LOSS * others);
                        assertEquals(TAKEN ? 2 : 0, handWritten(known, inputs));
                        assertEquals(TAKEN ? 2 : 0, handWritten(model, inputs));
                        assertEquals(
                                FusedDecoder.of(known.network(), 1).isPresent(),
                                FusedDecoder.of(model.network(), 1).isPresent());
                    }
                }));
    }

    /** Of a loss by other products of matrices; see the hand-written blocks' own goldens. */
    private static final double LOSS = 5e-6;

    private static final boolean TAKEN = Kernels.available() && !"never".equals(System.getenv("QUERN_FUSED_BLOCKS"));

    private static long handWritten(LanguageModel model, Flow inputs) {
        Flow flow = model.network().part(0, 2).infer(inputs, Pass.evaluation());
        return model.network().segments().stream()
                .filter(quern.nn.TransformerBlock.class::isInstance)
                .filter(s -> s.handWritten(flow, Pass.training(1)).isPresent())
                .count();
    }
}
