package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.RecipeFile;
import quern.testkit.RepositoryFiles;
import quern.train.Preparation;
import quern.train.Stages;
import quern.train.TrainingRun;
import tools.jackson.databind.JsonNode;

/** Recipes with stages on the command line. */
class StagesTest {
    @TempDir
    Path folder;

    private Path recipe;

    @BeforeEach
    void write() throws IOException {
        Path text = Files.writeString(folder.resolve("text.txt"), Cli.TEXT.repeat(4));
        recipe = Files.writeString(folder.resolve("recipe.yaml"), """
                output_dir: %s
                model: {family: llama, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1,
                        num_attention_heads: 2, max_position_embeddings: 32}
                tokenizer: char
                data: {path: %s, validation_share: 0.2, max_length: 16}
                per_device_train_batch_size: 2
                max_steps: 6
                logging_steps: 1
                stages:
                  - {name: small}
                  - {name: grown, model: {num_hidden_layers: 2}, grow: stack, max_steps: 4}
                """.formatted(folder.resolve("run"), text));
    }

    @Test
    void trainsThemAndTheResultGenerates() {
        JsonNode json = Cli.run("train", recipe.toString(), "--json").json();
        assertEquals("done", json.path("ending").asString());
        assertEquals(10, json.path("steps").asLong());
        assertTrue(Files.isRegularFile(folder.resolve("run/stage-1-small/model.safetensors")));
        Cli generated = Cli.run("generate", folder.resolve("run").toString(), "--prompt", "on", "max_new_tokens=3");
        assertEquals(0, generated.code(), generated.err());
        JsonNode again = Cli.run("train", "--resume", folder.resolve("run").toString(), "--json")
                .json();
        assertEquals(10, again.path("steps").asLong());
    }

    @Test
    void metricsSayTheStage() {
        Cli cli = Cli.run("train", recipe.toString());
        assertEquals(0, cli.code(), cli.err());
        List<Double> stages = TrainingRun.metrics(folder.resolve("run")).stream()
                .filter(m -> m.containsKey("loss"))
                .map(m -> m.get("stage"))
                .toList();
        assertEquals(List.of(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0), stages);
    }

    @Test
    void plansEveryStage() {
        JsonNode json = Cli.run("plan", recipe.toString(), "--json").json();
        List<String> names = json.path("stages")
                .valueStream()
                .map(s -> s.path("stage").asString())
                .toList();
        assertEquals(List.of("small", "grown"), names);
        assertTrue(json.path("stages").get(1).path("parameter_count").asLong()
                > json.path("stages").get(0).path("parameter_count").asLong());
        assertEquals(4, json.path("stages").get(1).path("steps").asLong());
        assertFalse(Files.exists(folder.resolve("run")));
        Cli text = Cli.run("plan", recipe.toString());
        assertTrue(text.out().contains("2 of 2, grown, grown by stack"), text.out());
    }

    @Test
    void theRecipeOfThisRepositoryFits() {
        List<Preparation> stages = Stages.prepare(
                RecipeFile.load(
                        RepositoryFiles.root().resolve("recipes/grow.yaml"),
                        List.of("output_dir=" + folder.resolve("grow"), "data.tales_megabytes=0.2")),
                note -> {});
        assertEquals(3, stages.size());
    }
}
