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
import java.util.Set;
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
 * project's licence (CLIP, which needs images, on painted captions). Sizes and options are those of the family's first
 * golden case for the task; the folder is the one that the recipe's run wrote.
 */
class FamilyTrainingTest {
    private static final Path GOLDENS = Path.of("..", "goldens");
    private static final int STEPS = 20;
    private static final int LENGTH = 32;

    /** Steps whose mean loss stands for the beginning or the end. */
    private static final int FEW = 3;

    /** By what share a loss may differ in fp16: its dropout masks are other draws. */
    private static final double HALF = 0.05;

    /** What the loss must fall to, of what it was: far more than it varies by from batch to batch. */
    private static final double FALL = 0.9;

    /** Settings that follow from the tokenizer, and fields of inner settings that transformers writes but nobody reads. */
    private static final Set<String> LEFT_OUT = Set.of(
            "initializer_range",
            "model_type",
            "projection_dim",
            "vocab_size",
            "pad_token_id",
            "bos_token_id",
            "eos_token_id",
            "decoder_start_token_id",
            "forced_eos_token_id");

    /** A rate for weights that have learned something already. */
    private static final double TUNING_RATE = 3e-3;

    /** More tokens than a caption of shapes has. */
    private static final int CAPTION = 128;

    /** Objectives that need settings or rows of their own, and have tests of their own. */
    private static final Set<String> OWN_TESTS =
            Set.of("multi_task", "tlm", "contrastive", "rtd", "agent_tokens", "multi_token", "image_tokens", "fim");

    @TempDir
    Path folder;

    @TestFactory
    Stream<DynamicTest> everyFamilyLearns() {
        return of(ModelFamily.class).flatMap(family -> {
            // Which models see prefixes whole is their structure's affair; one that does has a test of its own.
            List<DynamicTest> tests = of(Objective.class)
                    .filter(objective -> !OWN_TESTS.contains(objective.id()) && !objective.givesPrefixes())
                    .flatMap(objective ->
                            golden(family, Task.of(objective.task())).map(golden -> test(objective, golden)).stream())
                    .toList();
            assertFalse(tests.isEmpty(), family.id() + " has no objective to learn by, or no golden case of its task");
            return tests.stream();
        });
    }

    private static <T> Stream<T> of(Class<T> kind) {
        return Techniques.all().stream().filter(kind::isInstance).map(kind::cast);
    }

    private DynamicTest test(Objective objective, ModelSpec golden) {
        String name = golden.family().id() + "-" + objective.id();
        return DynamicTest.dynamicTest(name, () -> {
            Path first = folder.resolve(name);
            List<Double> fresh = losses(fromRecipe(recipe(first, objective, golden), golden));
            double start = mean(fresh, 0, FEW);
            assertTrue(mean(fresh, STEPS - FEW, STEPS) < FALL * start, fresh::toString);

            List<Double> half = losses(
                    fromRecipe(recipe(folder.resolve(name + "-half"), objective, golden), golden)
                            .with("precision", "fp16")
                            .with("loss_scale", Map.of("initial", 256))
                            .with("max_steps", FEW),
                    FEW);
            assertEquals(
                    fresh.getFirst(), half.getFirst(), HALF * start, () -> "in fp16 " + half + ", in fp32 " + fresh);
            assertEquals(start, mean(half, 0, FEW), HALF * start, () -> "in fp16 " + half + ", in fp32 " + fresh);

            Block fromFolder = recipe(folder.resolve(name + "-tuned"), objective, golden)
                    .with("model", Map.of("path", first.toString()))
                    .with("learning_rate", TUNING_RATE);
            List<Double> tuned = losses(fromFolder);
            assertTrue(tuned.getFirst() < FALL * start, () -> "the folder's weights were not used: " + tuned);
            // As many steps of either run, on the same batches.
            assertTrue(mean(tuned, STEPS / 2, STEPS) < mean(fresh, STEPS / 2, STEPS), () -> tuned + " after " + fresh);
        });
    }

    private static Block fromRecipe(Block recipe, ModelSpec golden) {
        Map<String, Object> model = taken(golden.settings());
        for (String key : List.of("initializer_range", "projection_dim")) {
            Object value = golden.settings().get(key);
            if (value != null) {
                model.put(key, value);
            }
        }
        model.put("family", golden.family().id());
        boolean characters = golden.task() == Task.CAUSAL_LM;
        return recipe.with("model", model)
                .with("tokenizer", characters ? Map.of("type", "char") : Map.of("type", "bpe", "vocab_size", 420));
    }

    private static Map<String, Object> taken(Map<?, ?> settings) {
        Map<String, Object> kept = new LinkedHashMap<>();
        settings.forEach((key, value) -> {
            if (!LEFT_OUT.contains(key)) {
                kept.put((String) key, value instanceof Map<?, ?> inner ? taken(inner) : value);
            }
        });
        return kept;
    }

    private static List<Double> losses(Block recipe) {
        return losses(recipe, STEPS);
    }

    private static List<Double> losses(Block recipe, int steps) {
        List<Double> losses = new ArrayList<>();
        TinyRuns.train(recipe, new TrainingHook() {
            @Override
            public void onStep(TrainingProgress progress, StepResult result) {
                losses.add(result.loss());
            }
        });
        assertEquals(steps, losses.size());
        return losses;
    }

    private static double mean(List<Double> losses, int from, int to) {
        return losses.subList(from, to).stream()
                .mapToDouble(Double::doubleValue)
                .average()
                .orElseThrow();
    }

    private Block recipe(Path output, Objective objective, ModelSpec golden) {
        boolean images = golden.task() == Task.CONTRASTIVE || golden.task() == Task.IMAGE_TOKENS;
        Path text = folder.resolve("licence.txt");
        try {
            if (!Files.exists(text)) {
                Files.copy(Path.of("..", "LICENSE"), text);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        String data = images
                ? "{source: shapes, shapes_pairs: 320, validation_share: 0, packing: false, max_length: %d}"
                        .formatted(Math.min(CAPTION, golden.config().contextLength()))
                : "{path: %s, validation_share: 0, max_length: %d}"
                        .formatted(text, Math.min(LENGTH, golden.config().contextLength()));
        // Losses over hidden tokens only, or over pairs, vary more.
        int rows = golden.task() == Task.CAUSAL_LM ? 8 : 16;
        Block recipe =
                RecipeFile.load("family.yaml", """
                output_dir: %s
                seed: 3
                model: {}
                data: %s
                objective: %s
                learning_rate: 1e-2
                per_device_train_batch_size: %d
                max_steps: %d
                tensorboard: false
                threads: 1
                """.formatted(output, data, objective.id(), rows, STEPS), List.of());
        if (images) {
            Map<?, ?> vision =
                    golden.settings().get("vision_config") instanceof Map<?, ?> part ? part : golden.settings();
            return recipe.with("objective", Map.of("type", objective.id(), "image_size", vision.get("image_size")));
        }
        return recipe;
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
