package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.models.ModelSpec;
import quern.recipe.Block;

/** Models whose blocks share weights, and those of latents, in training: resumed runs, metrics, plans, growth. */
class SharedWeightsTrainingTest {
    private static final String SIZES =
            "{family: custom, hidden_size: 16, num_hidden_layers: 4, num_attention_heads: 2, max_position_embeddings: 16,"
                    + " initializer_range: 0.2, residual_dropout: 0.1, ";

    private static final Map<String, String> MODELS = Map.of(
            "albert",
            SIZES
                    + "weight_sharing: {type: albert, num_hidden_groups: 2}, embedding_size: 6, tie_word_embeddings: true}",
            "recursive",
            SIZES + "weight_sharing: {type: recursive, num_recursions: 2, lora_rank: 3}}",
            "universal",
            SIZES + "weight_sharing: {type: universal, step_embedding: learned, halting: {epsilon: 0.2}}}",
            "perceiver",
            SIZES + "structure: {type: perceiver_io, num_latents: 4}, position: learned}");

    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({
        "albert, fp32, true, causal_lm",
        "recursive, bf16, false, causal_lm",
        "universal, fp32, false, causal_lm",
        "universal, bf16, true, causal_lm",
        "perceiver, fp32, true, mlm"
    })
    void resumedRunEqualsUnbrokenOne(String model, String precision, boolean checkpointing, String objective) {
        Block recipe = TinyRuns.blockOf(
                MODELS.get(model),
                folder,
                "precision=" + precision,
                "gradient_checkpointing=" + checkpointing,
                "objective=" + objective,
                objective.equals("mlm") ? "tokenizer={type: bpe, vocab_size: 300}" : "tokenizer=char");
        Path whole = TinyRuns.train(recipe).folder();
        Path parts = TinyRuns.trainUntil(recipe, 5).folder();
        TinyRuns.resume(parts);
        assertEquals(
                TinyRuns.content(whole).get("model.safetensors"),
                TinyRuns.content(parts).get("model.safetensors"));
        List<Map<String, Double>> metrics = TinyRuns.metrics(whole);
        assertEquals(metrics, TinyRuns.metrics(parts));
        double first = metrics.getFirst().get("loss");
        double last = metrics.stream()
                .filter(m -> m.containsKey("loss"))
                .reduce((a, b) -> b)
                .orElseThrow()
                .get("loss");
        assertTrue(last < first, first + " to " + last);
        if (model.equals("universal")) {
            double cost = metrics.getFirst().get("ponder_cost");
            assertTrue(cost > 1 && cost <= 5, "between one step and four with a remainder of 1: " + cost);
        }
    }

    @Test
    void everyParameterHasAPartInPlans() {
        MODELS.forEach((name, model) -> {
            Block recipe = TinyRuns.blockOf(
                    model,
                    folder,
                    name.equals("perceiver") ? "objective=mlm" : "objective=causal_lm",
                    name.equals("perceiver") ? "tokenizer={type: bpe, vocab_size: 300}" : "tokenizer=char");
            ModelSpec spec = Preparation.of(recipe, note -> {}).spec();
            spec.shapes()
                    .parameters()
                    .keySet()
                    .forEach(p -> assertFalse(TrainingPlan.part(p).equals("other"), p));
        });
    }

    @Test
    void composedModelsGrowInStages() {
        Block recipe = TinyRuns.blockOf(
                SIZES + "attention: gqa, num_key_value_heads: 1, norm_placement: sandwich}",
                folder,
                "stages=[{name: a, max_steps: 3}, {name: b, max_steps: 3, grow: stack, model: {num_hidden_layers: 5}},"
                        + " {name: c, max_steps: 2, grow: width, model: {hidden_size: 32, num_attention_heads: 4}}]",
                "warmup_steps=0");
        try (StagedTraining training = StagedTraining.start(recipe, note -> {})) {
            assertEquals(8, training.train((stage, stages, earlier, run) -> {}).steps());
        }
    }
}
