package quern.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.RecipeFile;

/**
 * The stages of a recipe, each as a recipe of its own: what the recipe says beside {@code stages}, and on top of it what the
 * stage says. A later stage begins from the model of the one before: its {@code model} holds no more than a path to that
 * and what the stage changes. Unless a stage says so, its seed is the recipe's plus its number less one, so that it doesn't
 * read the same batches again; the optimizer and the schedule begin anew.
 */
public final class Stages {
    private static final String STAGES = "stages";
    private static final String NAME = "name";
    private static final String MODEL = "model";
    private static final String TOKENIZER = "tokenizer";
    private static final String GROW = "grow";
    private static final String SEED = "seed";
    private static final String MAX_STEPS = "max_steps";
    private static final String EPOCHS = "num_train_epochs";

    private static final Pattern NAMES = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

    /**
     * One stage.
     *
     * @param number from 1
     * @param name as the recipe calls it
     * @param recipe of this stage alone
     */
    public record Stage(int number, String name, Block recipe) {}

    private Stages() {}

    /** Whether a recipe has stages. */
    public static boolean has(Block recipe) {
        return recipe.has(STAGES) && !recipe.blocks(STAGES).isEmpty();
    }

    /**
     * The stages of a recipe whose run folder is {@code run}.
     *
     * @throws QuernException bad input where a stage has no name or says what is not its own to say
     */
    static List<Stage> of(Block recipe, Path run) {
        // Keys that stand beside the stages are looked at as a whole first, so that a message has the recipe's own
        // place.
        long seed = Recipe.from(recipe).seed();
        if (recipe.has(GROW)) {
            throw QuernException.badInput(
                    "%s: grow: belongs in the stage that grows, not beside stages", recipe.position(GROW));
        }
        List<Stage> stages = new ArrayList<>();
        Set<String> names = new HashSet<>();
        Optional<Path> before = Optional.empty();
        for (Block stage : recipe.blocks(STAGES)) {
            int number = stages.size() + 1;
            String name = stage.text(NAME);
            if (!NAMES.matcher(name).matches() || !names.add(name)) {
                throw QuernException.badInput(
                        "%s: name: '%s' %s; expected letters, digits, '.', '_' and '-'",
                        stage.position(NAME),
                        name,
                        names.contains(name) ? "is another stage's" : "can't name a folder");
            }
            Path folder = run.resolve("stage-%d-%s".formatted(number, name));
            Block own = stage.without(NAME);
            check(own, before.isPresent());
            Block base = recipe.without(STAGES);
            if (own.has(MAX_STEPS) || own.has(EPOCHS)) {
                base = base.without(MAX_STEPS).without(EPOCHS);
            }
            if (before.isPresent()) {
                base = base.without(TOKENIZER)
                        .with(MODEL, Block.empty(stage.position(MODEL)).with("path", before.get()));
            }
            Block merged = RecipeFile.merged(base, own).with("output_dir", folder);
            if (!own.has(SEED)) {
                merged = merged.with(SEED, seed + number - 1);
            }
            Recipe.from(merged);
            stages.add(new Stage(number, name, merged));
            before = Optional.of(folder);
        }
        return stages;
    }

    private static void check(Block own, boolean later) {
        for (String key : List.of(STAGES, "output_dir")) {
            if (own.has(key)) {
                throw QuernException.badInput(
                        "%s: %s: a stage has none of its own; leave it out", own.position(key), key);
            }
        }
        if (!later) {
            return;
        }
        if (own.has(TOKENIZER)) {
            throw QuernException.badInput(
                    "%s: tokenizer: a later stage reads with that of the first, to which its model's vectors belong; leave it out",
                    own.position(TOKENIZER));
        }
        if (own.has(MODEL)) {
            for (String key : List.of("path", "family")) {
                if (own.block(MODEL).has(key)) {
                    throw QuernException.badInput(
                            "%s: model: %s: a later stage begins from the model of the stage before; leave it out",
                            own.block(MODEL).position(key), key);
                }
            }
        }
    }

    /**
     * The stages with everything that they name found and checked, the first one read and the others as far as they can be
     * before the models that they begin from are there.
     *
     * @param notes receives lines for a person to read
     */
    public static List<Preparation> prepare(Block recipe, Consumer<String> notes) {
        return prepare(of(recipe, Recipe.from(recipe).outputDir()), notes);
    }

    static List<Preparation> prepare(List<Stage> stages, Consumer<String> notes) {
        List<Preparation> all = new ArrayList<>();
        for (Stage stage : stages) {
            try {
                all.add(
                        all.isEmpty()
                                ? Preparation.of(stage.recipe(), notes)
                                : Preparation.afterStage(stage.recipe(), all.getLast(), notes));
            } catch (QuernException e) {
                throw new QuernException(e.exitCode(), "stage '%s': %s".formatted(stage.name(), e.getMessage()), e);
            }
        }
        return all;
    }

    /** The names of a recipe's stages. */
    public static List<String> names(Block recipe) {
        return recipe.blocks(STAGES).stream().map(s -> s.text(NAME)).toList();
    }
}
