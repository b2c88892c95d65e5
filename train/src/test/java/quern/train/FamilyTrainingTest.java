package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
 * beginning of the project's licence, spelt in characters. Sizes and options are those of the family's first golden case for the task; the
 * folder is the one that the recipe's run wrote.
 */
class FamilyTrainingTest {
    private static final Path GOLDENS = Path.of("..", "goldens");
    private static final int STEPS = 20;
    /** Steps in which all of the text is seen once, so that losses over as many steps compare. */
    private static final int PASS = 4;

    private static final int BATCH = 8;
    private static final int LENGTH = 32;
    /** What the loss must fall by at least, in nats a token: many times what it varies by from batch to batch. */
    private static final double FALL = 0.2;

    @TempDir
    Path folder;

    @TestFactory
    Stream<DynamicTest> everyFamilyLearns() {
        return Techniques.all().stream()
                .filter(ModelFamily.class::isInstance)
                .map(t -> (ModelFamily<?>) t)
                .flatMap(this::tests);
    }

    private Stream<DynamicTest> tests(ModelFamily<?> family) {
        List<DynamicTest> tests = new ArrayList<>();
        for (Objective objective : objectives()) {
            if (Task.of(objective.task()) == Task.CONTRASTIVE) {
                // Its texts are captions, not this one: RewritingObjectivesTest trains it.
                continue;
            }
            golden(family, Task.of(objective.task())).ifPresent(golden -> {
                String name = family.id() + "-" + objective.id();
                tests.add(DynamicTest.dynamicTest(name, () -> learns(name, objective, golden)));
            });
        }
        return tests.stream();
    }

    private static List<Objective> objectives() {
        return Techniques.all().stream()
                .filter(Objective.class::isInstance)
                .map(t -> (Objective) t)
                .toList();
    }

    private void learns(String name, Objective objective, ModelSpec golden) {
        Map<String, Object> model = new LinkedHashMap<>(golden.settings());
        // The tokenizer says how many tokens there are, and which is for padding.
        model.keySet().removeAll(List.of("vocab_size", "pad_token_id"));
        model.put("family", golden.family().id());
        Path first = folder.resolve(name);
        List<Double> fresh =
                losses(recipe(first, objective).with("model", model).with("tokenizer", "char"));
        double reached = mean(fresh.subList(STEPS - PASS, STEPS));
        assertTrue(fresh.getFirst() - reached >= FALL, fresh::toString);

        Path second = folder.resolve(name + "-tuned");
        List<Double> tuned = losses(recipe(second, objective).with("model", Map.of("path", first.toString())));
        assertTrue(fresh.getFirst() - tuned.getFirst() >= FALL, "the folder's weights were not used: " + tuned);
        assertTrue(mean(tuned.subList(STEPS - PASS, STEPS)) < mean(tuned.subList(0, PASS)), tuned::toString);
    }

    private static List<Double> losses(Block recipe) {
        List<Double> losses = new ArrayList<>();
        TinyRuns.train(recipe, new TrainingHook() {
            @Override
            public void onStep(TrainingProgress progress, StepResult result) {
                losses.add(result.loss());
            }
        });
        assertEquals(STEPS, losses.size());
        return losses;
    }

    private static double mean(List<Double> losses) {
        return losses.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
    }

    private Block recipe(Path output, Objective objective) {
        Path text = folder.resolve("licence.txt");
        try {
            if (!Files.exists(text)) {
                String licence = Files.readString(Path.of("..", "LICENSE")).strip();
                Files.writeString(text, licence.substring(0, PASS * BATCH * LENGTH));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return RecipeFile.load(
                "family.yaml", """
                output_dir: %s
                seed: 3
                model: {}
                data: {path: %s, validation_share: 0, max_length: %d}
                objective: %s
                learning_rate: 1e-2
                per_device_train_batch_size: %d
                max_steps: %d
                tensorboard: false
                threads: 2
                """.formatted(output, text, LENGTH, objective.id(), BATCH, STEPS), List.of());
    }

    /** The first golden case of a family for a task. */
    private static Optional<ModelSpec> golden(ModelFamily<?> family, Task task) {
        try (Stream<Path> folders = Files.list(GOLDENS)) {
            return folders.filter(f -> f.getFileName().toString().startsWith("model-"))
                    .sorted()
                    .map(ModelSpec::read)
                    .filter(spec -> spec.family().id().equals(family.id()) && spec.task() == task)
                    .findFirst();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
