package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import quern.data.Objective;
import quern.models.ModelFamily;
import quern.models.ModelSpec;
import quern.models.Task;
import quern.recipe.Block;
import quern.recipe.RecipeFile;
import quern.recipe.Techniques;

/**
 * Every family there is trains from a recipe and from a folder, by every objective that fits it, on real text: the
 * project's licence, spelt in characters. Sizes are those of the family's golden cases.
 */
class FamilyTrainingTest {
    private static final Path GOLDENS = Path.of("..", "goldens");
    private static final int STEPS = 20;
    /** Steps whose mean loss is compared with the first. */
    private static final int LAST = 5;
    /** What the loss must fall by at least, in nats a token: many times what it varies by from batch to batch. */
    private static final double FALL = 0.2;

    @TempDir
    Path folder;

    @TestFactory
    Stream<DynamicTest> everyFamilyLearns() {
        return Techniques.all().stream()
                .filter(ModelFamily.class::isInstance)
                .map(t -> (ModelFamily<?>) t)
                .flatMap(family -> {
                    List<Objective> objectives = objectives(family);
                    assertFalse(objectives.isEmpty(), family.id() + " has no objective to learn by");
                    return objectives.stream().flatMap(objective -> tests(family, objective));
                });
    }

    private static List<Objective> objectives(ModelFamily<?> family) {
        return Techniques.all().stream()
                .filter(Objective.class::isInstance)
                .map(t -> (Objective) t)
                .filter(o -> family.architectures().forTask(Task.of(o.task())).isPresent())
                .toList();
    }

    private Stream<DynamicTest> tests(ModelFamily<?> family, Objective objective) {
        String name = family.id() + ", " + objective.id();
        return Stream.of(
                DynamicTest.dynamicTest(name + ", recipe", () -> {
                    Map<String, Object> model = new LinkedHashMap<>(
                            golden(family, Task.of(objective.task())).spec().settings());
                    // The tokenizer says how many tokens there are, and which is for padding.
                    model.keySet().removeAll(List.of("vocab_size", "pad_token_id"));
                    model.put("family", family.id());
                    learns(name + " recipe", objective, model);
                }),
                DynamicTest.dynamicTest(name + ", folder", () -> {
                    Golden golden = golden(family, Task.of(objective.task()));
                    learns(
                            name + " folder",
                            objective,
                            Map.of("path", golden.path().toString()));
                }));
    }

    private void learns(String name, Objective objective, Map<String, Object> model) {
        List<Double> losses = new ArrayList<>();
        TinyRuns.train(recipe(name, objective).with("model", model), new TrainingHook() {
            @Override
            public void onStep(TrainingProgress progress, StepResult result) {
                losses.add(result.loss());
            }
        });
        assertEquals(STEPS, losses.size());
        double last = losses.subList(STEPS - LAST, STEPS).stream()
                .mapToDouble(Double::doubleValue)
                .average()
                .orElseThrow();
        assertTrue(losses.getFirst() - last >= FALL, losses::toString);
    }

    private Block recipe(String name, Objective objective) {
        Path text = folder.resolve("licence.txt");
        try {
            if (!Files.exists(text)) {
                Files.copy(Path.of("..", "LICENSE"), text);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return RecipeFile.load(
                "family.yaml",
                """
                output_dir: %s
                seed: 3
                model: {}
                tokenizer: char
                data: {path: %s, validation_share: 0, max_length: 32}
                objective: %s
                learning_rate: 1e-2
                per_device_train_batch_size: 8
                max_steps: %d
                tensorboard: false
                threads: 2
                """.formatted(folder.resolve(name.replaceAll("\\W+", "-")), text, objective.id(), STEPS),
                List.of());
    }

    /** A golden case's model folder. */
    private record Golden(Path path, ModelSpec spec) {}

    private static Golden golden(ModelFamily<?> family, Task task) {
        try (Stream<Path> folders = Files.list(GOLDENS)) {
            Optional<Golden> found = folders.filter(
                            f -> f.getFileName().toString().startsWith("model-"))
                    .sorted()
                    .map(f -> new Golden(f, ModelSpec.read(f)))
                    .filter(g -> g.spec().family().id().equals(family.id())
                            && g.spec().task() == task)
                    .findFirst();
            return found.orElseThrow(() -> new AssertionError(family.id() + " has no golden case for " + task.id()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
