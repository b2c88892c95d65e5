package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.RecipeFile;

/**
 * Checkpoints that older builds wrote still resume. {@code format-1} holds a run of 8 steps that was stopped after 4, its
 * text, and the metrics of all 8. {@link #main} makes such a folder; one is added when the format's number is raised, and
 * none is ever made again.
 */
class CheckpointFormatTest {
    /** Relative, of losses and norms after 4 steps on a processor that may round otherwise. */
    private static final double TOLERANCE = 1e-3;

    private static final String FOLDER = "@FOLDER@";
    private static final String EXPECTED = "expected-metrics.jsonl";

    @TempDir
    Path folder;

    @Test
    void formatOneResumes() throws IOException, URISyntaxException {
        Path golden =
                Path.of(CheckpointFormatTest.class.getResource("/format-1").toURI());
        for (Path file : TinyRuns.files(golden)) {
            Path copy = folder.resolve(golden.relativize(file).toString());
            Files.createDirectories(copy.getParent());
            Files.copy(file, copy);
        }
        Path run = folder.resolve("run");
        Path recipe = run.resolve(RunFolder.RECIPE);
        Files.writeString(recipe, Files.readString(recipe).replace(FOLDER, folder.toString()));

        TrainingRun.Outcome outcome = TinyRuns.resume(run);

        assertEquals(TrainingRun.Ending.DONE, outcome.ending());
        assertEquals(8, outcome.steps());
        List<Map<String, Double>> expected = TinyRuns.timeless(MetricsLog.read(golden, EXPECTED));
        List<Map<String, Double>> actual = TinyRuns.metrics(run);
        assertEquals(expected.size(), actual.size());
        for (int i = 0; i < expected.size(); i++) {
            Map<String, Double> line = actual.get(i);
            assertEquals(expected.get(i).keySet(), line.keySet());
            expected.get(i)
                    .forEach((name, value) -> assertEquals(
                            value, line.get(name), TOLERANCE * Math.abs(value), "%s in %s".formatted(name, line)));
        }
    }

    /** Writes the folder {@code args[0]} for the present format. */
    public static void main(String[] args) throws IOException {
        Path target = Files.createDirectories(Path.of(args[0]).toAbsolutePath());
        Path work = Files.createTempDirectory("format");
        Files.writeString(work.resolve("text.txt"), TinyRuns.text(11, 12));
        String[] options = {
            "max_steps=8", "eval_steps=4", "data.max_length=8", "model.n_embd=8", "model.n_layer=1", "tensorboard=false"
        };
        Path stopped = TinyRuns.trainUntil(TinyRuns.block(work, options), 4).folder();
        Path whole = TinyRuns.train(TinyRuns.block(work, options)).folder();
        Files.copy(whole.resolve("metrics.jsonl"), target.resolve(EXPECTED));
        Files.copy(work.resolve("text.txt"), target.resolve("text.txt"));
        for (Path file : TinyRuns.files(stopped)) {
            String name = stopped.relativize(file).toString();
            if (!name.equals(".lock")) {
                Path copy = target.resolve("run").resolve(name);
                Files.createDirectories(copy.getParent());
                Files.copy(file, copy);
            }
        }
        String recipe = RecipeFile.write(TinyRuns.block(work, options));
        Files.writeString(target.resolve("run").resolve(RunFolder.RECIPE), recipe.replace(work.toString(), FOLDER));
    }
}
