package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.Batch;
import quern.data.Lanes;
import quern.data.TokenStream;
import quern.models.LanguageModel;
import quern.nn.Flow;
import quern.nn.Pass;
import quern.nn.Regularization;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.recipe.QuernException;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Models with memories and with experts in training: lanes, resumed runs, evaluation, metrics. */
class RecurrentTrainingTest {
    private static final String SIZES =
            "{family: custom, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, max_position_embeddings: 16,"
                    + " initializer_range: 0.2, ";

    private static final String XL = SIZES
            + "position: none, recurrence: {type: transformer_xl, memory_length: 8}, residual_dropout: 0.1,"
            + " feed_forward: {type: switch, num_local_experts: 3}}";

    private static final String COMPRESSIVE = SIZES
            + "position: none, recurrence: {type: compressive, memory_length: 8, compressed_memory_length: 6,"
            + " compression_rate: 4}}";

    private static final String LATENT = SIZES
            + "attention: {type: mla, kv_lora_rank: 8, qk_nope_head_dim: 6, qk_rope_head_dim: 4, v_head_dim: 8},"
            + " feed_forward: {type: moe, num_local_experts: 4, capacity_factor: 1.0, router_z_loss_coef: 0.001}}";

    /** Sums of log-probabilities of passes and of one long pass, relative: the order of sums in fp32. */
    private static final double SAME_LOSS = 2e-6;

    @TempDir
    Path folder;

    private static String model(String name) {
        return Map.of("xl", XL, "compressive", COMPRESSIVE, "latent", LATENT).get(name);
    }

    @ParameterizedTest
    @CsvSource({
        "xl, fp32, 1, false, true, 5",
        "xl, fp32, 2, true, false, 3",
        "compressive, bf16, 1, false, false, 7",
        "compressive, fp32, 2, true, true, 6",
        "latent, fp32, 1, false, true, 5"
    })
    void resumedRunEqualsUnbrokenOne(
            String model, String precision, int accumulation, boolean checkpointing, boolean packing, long stop)
            throws Exception {
        Files.writeString(folder.resolve("text.txt"), TinyRuns.text(5, 12));
        String[] overrides = {
            "precision=" + precision,
            "gradient_accumulation_steps=" + accumulation,
            "gradient_checkpointing=" + checkpointing,
            "data.packing=" + packing,
            "data.text_unit=line",
            "sample_steps=4",
            "sample_max_new_tokens=20"
        };
        Path whole = TinyRuns.train(TinyRuns.blockOf(model(model), folder, overrides))
                .folder();
        Path parts = TinyRuns.trainUntil(TinyRuns.blockOf(model(model), folder, overrides), stop)
                .folder();
        TinyRuns.resume(parts);
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(parts));
        Map<String, String> expected = TinyRuns.content(Checkpoints.folder(whole, 12));
        Map<String, String> actual = TinyRuns.content(Checkpoints.folder(parts, 12));
        assertEquals(expected.keySet(), actual.keySet());
        assertEquals(!model.equals("latent"), expected.containsKey("trainer/memories.safetensors"));
        for (String file : expected.keySet()) {
            if (!file.equals("README.md") && !file.equals(Manifest.FILE)) {
                assertTrue(expected.get(file).equals(actual.get(file)), file + " differs");
            }
        }
        assertEquals(
                TinyRuns.content(whole).get("samples.jsonl"),
                TinyRuns.content(parts).get("samples.jsonl"));
    }

    private Preparation prepared(String model, String... overrides) {
        return Preparation.of(TinyRuns.blockOf(model, folder, overrides), note -> {});
    }

    /** The negative log-probability of tokens [from + 1, from + count], read in one pass from {@code from}. */
    private static double inOnePass(LanguageModel model, TokenStream text, long from, int count) {
        int[] ids = new int[count + 1];
        text.read(from, ids, 0, count + 1);
        long[] inputs = new long[count];
        long[] targets = new long[count];
        for (int i = 0; i < count; i++) {
            inputs[i] = ids[i];
            targets[i] = ids[i + 1];
        }
        try (Scope scope = Scope.open()) {
            Flow out = model.network()
                    .infer(
                            new Flow()
                                    .put("input_ids", Tensor.of(inputs, 1, count))
                                    .put("targets", Tensor.of(targets, 1, count)),
                            Pass.evaluation());
            double sum = 0;
            for (float logprob : out.get("logprobs").toFloats()) {
                sum -= logprob;
            }
            return sum;
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"xl", "compressive"})
    void evaluationInLanesIsOneLongPassALane(String name) {
        Preparation preparation = prepared(model(name), "data.validation_share=0.3");
        TokenStream text = preparation.validation().orElseThrow();
        int targets = (int) text.size() - 1;
        try (LanguageModel model = preparation.model()) {
            double whole = inOnePass(model, text, 0, targets) / targets;
            for (int length : new int[] {8, 16, 20}) {
                ValidationLoss loss =
                        ValidationLoss.measure(model.network(), model.device(), text, length, 1, done -> {});
                assertEquals(whole, loss.loss(), SAME_LOSS * whole, "rows of " + length);
                assertEquals(targets, loss.tokens());
            }
            double lanes = 0;
            for (int lane = 0; lane < 3; lane++) {
                long from = (long) targets * lane / 3;
                lanes += inOnePass(model, text, from, (int) ((long) targets * (lane + 1) / 3 - from));
            }
            ValidationLoss loss = ValidationLoss.measure(model.network(), model.device(), text, 16, 3, done -> {});
            assertEquals(lanes / targets, loss.loss(), SAME_LOSS * whole);
            assertTrue(Math.abs(lanes / targets - whole) > 100 * SAME_LOSS, "a lane begins without the text before it");
        }
    }

    @Test
    void trainingCarriesMemoriesFromStepToStep() {
        Preparation preparation = prepared(COMPRESSIVE);
        TokenStream text = preparation.store().train();
        Lanes lanes = Lanes.ofStream(text, 16, 4);
        try (LanguageModel model = preparation.model();
                Optimizer optimizer = preparation.optimizer(model.network());
                CarriedMemories memories = new CarriedMemories(model.network(), model.device())) {
            TrainingStep step = new TrainingStep(
                    model.network(), model.device(), optimizer, new GradientClipping(1), Regularization.NONE, 1);
            step.carry(memories);
            double sum = 0;
            for (long i = 0; i < lanes.batchesPerEpoch(); i++) {
                List<Batch> batches = List.of(lanes.batch(i));
                StepResult result = step.take(i, batches, 0);
                sum += result.loss() * result.countedTokens();
            }
            double expected = 0;
            long targets = text.size() - 1;
            for (int lane = 0; lane < 4; lane++) {
                long from = targets * lane / 4;
                expected += inOnePass(model, text, from, (int) (targets * (lane + 1) / 4 - from));
            }
            assertEquals(expected, sum, SAME_LOSS * expected);
            // The next epoch begins without memories.
            double first = step.take(9, List.of(lanes.batch(0)), 0).loss();
            assertEquals(
                    first,
                    step.take(9, List.of(lanes.batch(lanes.batchesPerEpoch())), 0)
                            .loss());
        }
    }

    @Test
    void theLoadOfExpertsIsAmongTheMetrics() {
        Path run = TinyRuns.train(TinyRuns.blockOf(XL, folder)).folder();
        List<Map<String, Double>> lines = TinyRuns.metrics(run).stream()
                .filter(line -> line.containsKey("loss"))
                .toList();
        assertFalse(lines.isEmpty());
        for (Map<String, Double> line : lines) {
            for (int layer = 0; layer < 2; layer++) {
                double shares = 0;
                for (int e = 0; e < 3; e++) {
                    shares += line.get("router_share." + layer + "." + e);
                }
                assertEquals(1, shares, 1e-9);
                double entropy = line.get("router_entropy." + layer);
                assertTrue(entropy > 0 && entropy <= Math.log(3) + 1e-6, "entropy " + entropy);
                double dropped = line.get("router_dropped." + layer);
                assertTrue(dropped >= 0 && dropped < 1, "dropped " + dropped);
                assertTrue(line.get("router_z." + layer) > 0);
            }
        }
    }

    private void refused(String message, String model, String... overrides) {
        QuernException e = assertThrows(QuernException.class, () -> prepared(model, overrides));
        assertTrue(e.getMessage().contains(message), e.getMessage());
        assertEquals(2, e.exitCode().code());
    }

    @Test
    void whatBreaksLanesIsRefused() {
        refused("auto_find_batch_size", XL, "auto_find_batch_size=true");
        refused("gradient_noise_scale", XL, "gradient_noise_scale={}", "gradient_accumulation_steps=2");
        refused("multiple of compression_rate", COMPRESSIVE, "data.packing=false", "data.max_length=10");
        refused("max_length", XL, "data.max_length=17");
        refused("too short for 100000 lanes", XL, "per_device_train_batch_size=100000");
    }

    @Test
    void instructionRowsAreRefused() {
        QuernException e = assertThrows(
                QuernException.class,
                () -> Preparation.of(
                        quern.recipe.RecipeFile.load(
                                "tiny.yaml",
                                TinyRuns.instructions(folder)
                                        .replace(
                                                TinyRuns.LLAMA.replace(
                                                        "max_position_embeddings: 16", "max_position_embeddings: 512"),
                                                XL.replace(
                                                        "max_position_embeddings: 16", "max_position_embeddings: 512")),
                                List.of()),
                        note -> {}));
        assertTrue(e.getMessage().contains("instruction rows have no lanes"), e.getMessage());
    }
}
