package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.Batch;
import quern.data.SharedPrefixes;
import quern.models.LanguageModel;
import quern.nn.Pass;
import quern.nn.Regularization;
import quern.nn.Segment;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.tensor.Parameter;
import quern.tensor.Scope;

/** What rows begin with, computed once: the same losses and gradients, and who refuses. */
class PrefixSharingTest {
    /** fp32 sums in another order; the worst measured is 3.0e-7 of the gradients' norm. */
    private static final double SAME = 1e-6;

    private static final String WIDTHS =
            "hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4, max_position_embeddings: 512";

    /** Rotary and learned positions, grouped keys, windows, biases by distance, norms of queries, parallel branches. */
    private static final Map<String, String> MODELS = Map.of(
            "llama", "{family: llama, " + WIDTHS + ", num_key_value_heads: 2, intermediate_size: 96}",
            "gpt2",
                    "{family: gpt2, n_embd: 64, n_layer: 2, n_head: 4, n_positions: 512, resid_pdrop: 0.0, embd_pdrop: 0.0, attn_pdrop: 0.0}",
            "mistral",
                    "{family: mistral, " + WIDTHS
                            + ", num_key_value_heads: 2, intermediate_size: 96, sliding_window: 24}",
            "qwen3", "{family: qwen3, " + WIDTHS + ", num_key_value_heads: 2, intermediate_size: 96, head_dim: 16}",
            "gemma2",
                    "{family: gemma2, " + WIDTHS
                            + ", num_key_value_heads: 2, intermediate_size: 96, head_dim: 16, sliding_window: 24, query_pre_attn_scalar: 16}",
            "bloom",
                    "{family: bloom, hidden_size: 64, n_layer: 2, n_head: 4, hidden_dropout: 0.0, attention_dropout: 0.0}",
            "gpt_neox", "{family: gpt_neox, " + WIDTHS + ", intermediate_size: 96}");

    @TempDir
    Path folder;

    private Block recipe(String model, String... overrides) {
        String text = TinyRuns.instructions(folder);
        String own =
                text.lines().filter(l -> l.startsWith("model:")).findFirst().orElseThrow();
        return RecipeFile.load("tiny.yaml", text.replace(own, "model: " + model), List.of(overrides));
    }

    private record Taken(double loss, long tokens, double computed, List<float[]> gradients) {}

    private static Taken step(Preparation p, List<Batch> batches, boolean shared) {
        try (LanguageModel model = p.model();
                Optimizer optimizer = p.optimizer(model.network())) {
            Optional<Segment> hindrance = model.network().withoutSharedPrefixes(Pass.training(1), 512);
            assertTrue(hindrance.isEmpty(), () -> hindrance.get().name() + " shares no prefixes");
            TrainingStep step = new TrainingStep(
                    model.network(), model.device(), optimizer, new GradientClipping(1e9), Regularization.NONE, 1);
            if (shared) {
                step.sharePrefixes();
            }
            StepResult result = step.take(0, batches, 0);
            List<float[]> gradients = new ArrayList<>();
            for (Parameter parameter : model.parameters()) {
                try (Scope scope = Scope.open()) {
                    gradients.add(parameter.grad().toFloats());
                }
            }
            return new Taken(result.loss(), result.tokens(), step.computedShare(), gradients);
        }
    }

    private static double distance(List<float[]> a, List<float[]> b) {
        double norm = 0;
        double difference = 0;
        for (int i = 0; i < a.size(); i++) {
            for (int k = 0; k < a.get(i).length; k++) {
                norm += Math.pow(a.get(i)[k], 2);
                difference += Math.pow((double) a.get(i)[k] - b.get(i)[k], 2);
            }
        }
        return Math.sqrt(difference / norm);
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "gpt2", "mistral", "qwen3", "gemma2", "bloom", "gpt_neox"})
    void lossAndGradientsAreThoseOfTheRowsApart(String family) {
        for (String packing : List.of("data.packing=true", "data.packing=false")) {
            Preparation p =
                    Preparation.of(recipe(MODELS.get(family), packing, "per_device_train_batch_size=8"), note -> {});
            List<Batch> batches = List.of(p.batches().batch(0), p.batches().batch(1));
            SharedPrefixes shared = SharedPrefixes.of(batches.getFirst()).orElseThrow();
            assertTrue(shared.tokens().length < 0.9 * batches.getFirst().inputIds().length, "too little is shared");
            Taken apart = step(p, batches, false);
            Taken together = step(p, batches, true);
            assertEquals(1, apart.computed);
            assertTrue(together.computed < 0.9, together.computed + " of all tokens");
            assertEquals(apart.loss, together.loss, SAME * apart.loss);
            assertEquals(apart.tokens, together.tokens);
            double distance = distance(apart.gradients, together.gradients);
            assertTrue(distance > 0, "the rows were not computed in another way");
            assertTrue(distance < SAME, family + ": " + distance);
        }
    }

    /** A whole training is the same but for rounding, and that is the default. */
    @Test
    void aTrainingIsTheSameButForRounding() {
        String[] common = {"max_steps=12", "per_device_train_batch_size=8", "data.packing=false"};
        List<List<Map<String, Double>>> runs = new ArrayList<>();
        for (String sharing : List.of("tensorboard=false", "prefix_sharing=true", "prefix_sharing=false")) {
            List<String> overrides = new ArrayList<>(List.of(common));
            overrides.add(sharing);
            overrides.add("output_dir=" + folder.resolve("run-" + runs.size()));
            TinyRuns.train(recipe(MODELS.get("llama"), overrides.toArray(String[]::new)));
            runs.add(TinyRuns.metrics(folder.resolve("run-" + runs.size())));
        }
        double most = 0;
        int compared = 0;
        for (int i = 0; i < runs.getFirst().size(); i++) {
            Double loss = runs.get(0).get(i).get("loss");
            if (loss != null) {
                assertEquals(loss, runs.get(1).get(i).get("loss"));
                double apart = runs.get(2).get(i).get("loss");
                assertEquals(apart, loss, 1e-4 * apart);
                most = Math.max(most, Math.abs(apart - loss));
                compared++;
            }
        }
        assertTrue(compared > 0);
        assertTrue(most > 0, "the trainings are bit for bit the same, so nothing was shared");
    }

    private String refusal(Block recipe) {
        QuernException e = assertThrows(QuernException.class, () -> TinyRuns.train(recipe));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains("prefix_sharing"), e.getMessage());
        return e.getMessage();
    }

    @Test
    void modelsThatCannotRefuseToBeAsked() {
        String drops = refusal(recipe(
                MODELS.get("llama").replace("}", ", attention_dropout: 0.1}"), "prefix_sharing=true", "max_steps=2"));
        assertTrue(drops.contains("segment 'model.layers.0'"), drops);
        String experts = refusal(recipe(
                "{family: mixtral, " + WIDTHS
                        + ", num_key_value_heads: 2, intermediate_size: 32, num_local_experts: 2, num_experts_per_tok: 1}",
                "prefix_sharing=true",
                "max_steps=2"));
        assertTrue(experts.contains("experts"), experts);
        String noise =
                refusal(recipe(MODELS.get("llama"), "prefix_sharing=true", "max_steps=2", "neftune_noise_alpha=5"));
        assertTrue(noise.contains("embed"), noise);
    }

    @Test
    void rowsThatShareNothingRefuseToBeAsked() {
        Block text = RecipeFile.load(
                "tiny.yaml",
                TinyRuns.recipe(folder),
                List.of(
                        "prefix_sharing=true",
                        "max_steps=2",
                        "model.embd_pdrop=0.0",
                        "model.attn_pdrop=0.0",
                        "model.resid_pdrop=0.0"));
        String refused = refusal(text);
        assertTrue(refused.contains("windows of text"), refused);
    }

    /** Without being asked they are trained as they are. */
    @Test
    void modelsThatCannotTrainAsTheyAre() {
        TinyRuns.train(recipe(MODELS.get("llama").replace("}", ", attention_dropout: 0.1}"), "max_steps=2"));
    }
}
