package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.RecipeFile;
import quern.testkit.ChildJvm;

/** The memory a plan foretells is what the training then takes, for a decoder, an encoder and an encoder-decoder. */
@Tag("nightly")
class PlanMemoryTest {
    private static final double LARGEST_DEVIATION = 0.10;

    private static final String GPT2 = """
            precision: fp32
            objective: causal_lm
            model: {family: gpt2, n_layer: 6, n_head: 6, n_embd: 384, n_positions: 128, dropout: 0.1}
            """;
    private static final String LLAMA = """
            precision: bf16
            objective: causal_lm
            model: {family: llama, hidden_size: 512, num_hidden_layers: 6, num_attention_heads: 8, num_key_value_heads: 4,
              max_position_embeddings: 128}
            """;
    private static final String BERT = """
            precision: fp32
            objective: mlm
            model: {family: bert, hidden_size: 384, num_hidden_layers: 6, num_attention_heads: 6, intermediate_size: 1536,
              max_position_embeddings: 128}
            """;

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {GPT2, LLAMA, BERT})
    void whatIsPlannedIsWhatIsTaken(String model) throws IOException {
        Path recipe = folder.resolve("recipe.yaml");
        Files.writeString(recipe, model + """
                        output_dir: %s
                        data: {source: tales, tales_megabytes: 1, validation_share: 0.05, max_length: 128, packing: true}
                        tokenizer: {type: bpe, vocab_size: 2048}
                        optim: adamw
                        learning_rate: 1e-3
                        per_device_train_batch_size: 8
                        max_steps: 60
                        eval_steps: 30
                        save_steps: 30
                        """.formatted(folder.resolve("run")));
        double planned = child(recipe, "plan");
        double taken = child(recipe, "train");
        System.out.printf(
                "%s: planned %.0f MB, taken %.0f MB, off by %.1f%%%n",
                model.lines().skip(2).findFirst().orElseThrow(),
                planned / 1e6,
                taken / 1e6,
                100 * (planned / taken - 1));
        assertTrue(
                Math.abs(planned / taken - 1) <= LARGEST_DEVIATION,
                "planned %.0f MB, taken %.0f MB".formatted(planned / 1e6, taken / 1e6));
    }

    /** With the launcher's settings. */
    private static double child(Path recipe, String what) {
        ChildJvm.Result result = ChildJvm.of(Child.class, recipe.toString(), what)
                .jvmArgs("-XX:+UseParallelGC", "-XX:NewSize=96m", "-XX:MaxNewSize=96m")
                .environment("OMP_WAIT_POLICY", "passive")
                .environment("MALLOC_ARENA_MAX", "1")
                .environment("MALLOC_MMAP_THRESHOLD_", "4294967295")
                .environment("MALLOC_TRIM_THRESHOLD_", "8589934592")
                .run(Duration.ofMinutes(15));
        assertEquals(0, result.exitCode(), result.stderr());
        return result.stdout()
                .lines()
                .filter(line -> line.startsWith("peak "))
                .mapToDouble(line -> Double.parseDouble(line.substring("peak ".length())))
                .findFirst()
                .orElseThrow();
    }

    /** Plans or trains, and prints the peak that was foretold or taken. */
    static final class Child {
        private Child() {}

        public static void main(String[] args) {
            Path recipe = Path.of(args[0]);
            if (args[1].equals("plan")) {
                Preparation preparation = Preparation.of(RecipeFile.load(recipe, List.of()), note -> {});
                System.out.println("peak "
                        + TrainingPlan.of(preparation, note -> {}).memory().peak());
                return;
            }
            try (TrainingRun run = TrainingRun.start(RecipeFile.load(recipe, List.of()), note -> {})) {
                run.train();
            }
            System.out.println("peak " + ProcessMemory.read().peak());
        }
    }
}
