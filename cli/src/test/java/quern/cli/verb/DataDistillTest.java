package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.testkit.RepositoryFiles;
import tools.jackson.databind.JsonNode;

/** {@code quern data distill} as a person calls it. */
class DataDistillTest {
    @TempDir
    private Path folder;

    private Path recipe;

    @BeforeEach
    void write() throws IOException {
        System.setProperty("quern.home", RepositoryFiles.root().toString());
        Path text = Files.writeString(
                folder.resolve("text.txt"),
                "the miller ground her corn at dawn and sang while the stone turned\n".repeat(30));
        recipe = Files.writeString(folder.resolve("tiny.yaml"), """
                output_dir: %s
                precision: fp32
                model: {family: gpt2, n_layer: 1, n_head: 2, n_embd: 8, n_positions: 16, tie_word_embeddings: false}
                tokenizer: char
                data: {path: %s, validation_share: 0.1, max_length: 8}
                learning_rate: 1e-2
                per_device_train_batch_size: 4
                max_steps: 6
                logging_steps: 3
                eval_steps: 2
                save_steps: 0
                tensorboard: false
                threads: 1
                dataset_distillation:
                  rows: 4
                  method: {type: gradient_matching, initializations: 2, steps: 2, matched_rows: 8}
                  against: [random, k_centre, whole]
                """.formatted(folder.resolve("sets"), text));
    }

    @Test
    void setsAreMadeAndMeasured() {
        Cli first = Cli.run("data", "distill", recipe.toString(), "--json", "--seeds", "2");
        assertEquals(0, first.code(), first.err());
        JsonNode best = first.json().path("best");
        assertEquals(4, best.size());
        assertEquals("random", best.path(0).path("name").asString(""));
        assertEquals("learnt", best.path(3).path("name").asString(""));
        JsonNode arms = first.json().path("comparison").path("arms");
        for (int i = 0; i < 4; i++) {
            for (int s = 0; s < 2; s++) {
                double last = arms.path(i).path("runs").path(s).path("loss").asDouble(-1);
                double lowest = best.path(i).path("losses").path(s).asDouble(-1);
                assertTrue(lowest > 0 && lowest <= last, first.out());
            }
        }
        assertTrue(best.path(3).path("difference").path("p").isNumber(), first.out());
        assertTrue(Files.exists(folder.resolve("sets/small_sets.json")));
        assertTrue(Files.exists(folder.resolve("sets/comparison/comparison.html")));

        // The same command makes and trains nothing anew; a training learns from the set by the name it was told.
        Cli again = Cli.run("data", "distill", recipe.toString(), "--seeds", "2");
        assertEquals(0, again.code(), again.err());
        assertTrue(again.err().contains("is there already"), again.err());
        assertTrue(again.out().contains("learnt: "), again.out());
        Cli train = Cli.run(
                "train",
                recipe.toString(),
                "dataset_distillation=null",
                "objective.type=small_set",
                "objective.path=" + folder.resolve("sets/learnt"),
                "output_dir=" + folder.resolve("run"));
        assertEquals(0, train.code(), train.err());
    }

    @Test
    void mistakesAreOneLine() {
        Cli none = Cli.run("data", "distill");
        assertEquals(2, none.code());
        assertTrue(none.err().contains("no recipe is named"), none.err());
        Cli method =
                Cli.run("data", "distill", recipe.toString(), "dataset_distillation.method={type: gradient_matchin}");
        assertEquals(2, method.code());
        assertTrue(method.err().contains("did you mean 'gradient_matching'"), method.err());
        assertEquals(1, method.err().strip().lines().count(), method.err());
        Cli key = Cli.run("data", "distill", recipe.toString(), "dataset_distillation.method.stepz=3");
        assertTrue(key.err().contains("stepz"), key.err());
    }
}
