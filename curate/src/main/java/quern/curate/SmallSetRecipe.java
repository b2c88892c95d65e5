package quern.curate;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import quern.data.corpus.select.CoreSet;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.recipe.Recipe;
import quern.recipe.Shorthand;
import quern.recipe.Techniques;

/**
 * The block {@code dataset_distillation} of a recipe: beside it stand the keys of a training, which says the model, the text and
 * the steps that the rows are learnt for and judged by.
 *
 * @param rows how many rows a small set has
 * @param method the technique of kind {@code dataset_distillation} that learns them, under {@code type}; absent: none are
 *     learnt, and the others are measured against each other
 * @param against what the learnt rows are measured against, the first being the baseline: {@code random} rows, the {@code
 *     whole} text, or core sets by {@code type} with their settings; {@code name} tells two of one type apart
 */
public record SmallSetRecipe(
        @Doc("How many rows a small set has.") @Default("16") @Range(min = 1)
        int rows,

        @Doc("What learns the rows: a type of dataset_distillation with its settings. Without it none are learnt.")
        @Shorthand("type")
        Optional<Block> method,

        @Doc(
                "What they are measured against, the baseline first: random, whole, or core sets (type, settings, perhaps a name).")
        @Default("[random, whole]")
        @Shorthand("type")
        List<Block> against) {
    /** The key of the block. */
    public static final String BLOCK = "dataset_distillation";

    /** As many rows of the text, drawn by the run's seed. */
    static final String RANDOM = "random";

    /** All of the text. */
    static final String WHOLE = "whole";

    /** The learnt rows, as an arm and as a folder. */
    static final String LEARNT = "learnt";

    /** The folder of the trainings that measure the sets, beside theirs. */
    public static final String COMPARISON = "comparison";

    /** Refuses nothing to measure against, and equal names. */
    public SmallSetRecipe {
        against = List.copyOf(against);
        Objects.requireNonNull(method);
        if (against.size() + (method.isPresent() ? 1 : 0) < 2) {
            throw new IllegalArgumentException(
                    method.isPresent()
                            ? "against: empty; name random, whole or a core set"
                            : "against: without a method that learns rows, name two or more of random, whole and core sets");
        }
        Set<String> names = new HashSet<>(Set.of(LEARNT, COMPARISON));
        for (Block one : against) {
            String name = name(one);
            if (!name.matches("[A-Za-z0-9_-]+")) {
                throw new IllegalArgumentException(
                        "against: '%s' is no name; expected letters, digits, '_' and '-'".formatted(name));
            }
            if (!names.add(name)) {
                throw new IllegalArgumentException(
                        "against: two are called '%s'; give one another name".formatted(name));
            }
        }
    }

    /** What a rival is called. */
    static String name(Block rival) {
        return rival.has("name") ? rival.text("name") : rival.text("type");
    }

    /**
     * The block of a recipe.
     *
     * @throws QuernException bad input where it is missing or wrong
     */
    static SmallSetRecipe of(Block recipe) {
        if (!recipe.has(BLOCK)) {
            throw QuernException.badInput(
                    "%s: no block '%s'; expected one, as in recipes/dataset_distillation.yaml",
                    recipe.position(), BLOCK);
        }
        return recipe.block(BLOCK).bind(SmallSetRecipe.class);
    }

    /** The training that stands beside the block. */
    static Block training(Block recipe) {
        Block training = recipe.without(BLOCK);
        String objective = Recipe.from(training).objective().text("type");
        if (!objective.equals("causal_lm")) {
            throw QuernException.badInput(
                    "%s: objective: '%s', but rows are learnt for causal_lm; choose that, or leave it out",
                    training.position("objective"), objective);
        }
        return training;
    }

    /** What learns rows, with its settings. */
    Optional<Learning> learning() {
        return method.map(block -> {
            DatasetDistillation technique =
                    Techniques.find(DatasetDistillation.class, BLOCK, block.text("type"), block.position("type"));
            return new Learning(technique, block.without("type").bind(technique.config()));
        });
    }

    /** What learns rows, and its settings. */
    record Learning(DatasetDistillation technique, Record config) {}

    /** A core set with its settings, for {@code share} of the rows; empty for random rows and the whole text. */
    static Optional<Chooser> chooser(Block rival, double share) {
        String type = rival.text("type");
        Block settings = rival.without("type").without("name");
        if (type.equals(RANDOM) || type.equals(WHOLE)) {
            if (!settings.keys().isEmpty()) {
                throw QuernException.badInput(
                        "%s: '%s' has no settings; leave %s out", rival.position(), type, settings.keys());
            }
            return Optional.empty();
        }
        if (settings.has("share")) {
            throw QuernException.badInput(
                    "%s: share: follows from the number of rows; leave it out", settings.position("share"));
        }
        CoreSet technique = Techniques.find(CoreSet.class, "core_set", type, rival.position("type"));
        return Optional.of(new Chooser(technique, settings.with("share", share).bind(technique.config())));
    }

    /** A core set and its settings. */
    record Chooser(CoreSet technique, Record config) {
        List<Path> files() {
            return technique.files(config);
        }
    }
}
