package quern.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.RecipeFile;

/**
 * The stages of a recipe, each as a recipe of its own: what the recipe says beside {@code stages}, and on top of it what the
 * stage says. A later stage begins from the model of the one before: its {@code model} holds no more than a path to that
 * and what the stage changes. With {@code from: new} it begins from a new model instead, that of the recipe with what the stage
 * changes, and the first stage's tokenizer; with {@code from: STAGE} from the model of another one before it. The value
 * {@code stage:NAME} of a key stands for the run folder of an earlier stage: {@code data: {mixing: {type: doremi, reference:
 * stage:NAME}}}. Unless a stage says so, its seed is the recipe's plus its number less one, so that it doesn't
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
    private static final String FROM = "from";
    private static final String DATA = "data";
    private static final String MIXING = "mixing";
    private static final String WEIGHTS_FILE = "weights_file";
    private static final String NEW = "new";
    private static final String FOLDER_OF = "stage:";

    private static final Pattern NAMES = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

    /**
     * One stage.
     *
     * @param number from 1
     * @param name as the recipe calls it
     * @param recipe of this stage alone
     * @param from the number of the stage whose model it begins from; 0: a new model, or what {@code model.path} names
     */
    public record Stage(int number, String name, Block recipe, int from) {}

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
        Map<String, Path> folders = new LinkedHashMap<>();
        for (Block stage : recipe.blocks(STAGES)) {
            int number = stages.size() + 1;
            String name = stage.text(NAME);
            if (!NAMES.matcher(name).matches() || name.equals(NEW) || folders.containsKey(name)) {
                throw QuernException.badInput(
                        "%s: name: '%s' %s; expected letters, digits, '.', '_' and '-'",
                        stage.position(NAME),
                        name,
                        folders.containsKey(name)
                                ? "is another stage's"
                                : name.equals(NEW) ? "stands for a new model" : "can't name a folder");
            }
            Path folder = run.resolve("stage-%d-%s".formatted(number, name));
            int from = from(stage, folders);
            Block own = withFolders(stage.without(NAME).without(FROM), folders);
            check(own, number > 1, from > 0);
            Block base = recipe.without(STAGES);
            if (own.has(MAX_STEPS) || own.has(EPOCHS)) {
                base = base.without(MAX_STEPS).without(EPOCHS);
            }
            if (number > 1) {
                base = base.without(TOKENIZER);
            }
            if (from > 0) {
                Path start = List.copyOf(folders.values()).get(from - 1);
                base = base.with(MODEL, Block.empty(stage.position(MODEL)).with("path", start));
            } else if (number > 1) {
                base = base.with(
                        TOKENIZER,
                        Block.empty(stage.position(NAME))
                                .with("path", List.copyOf(folders.values()).getFirst()));
            }
            Block merged = RecipeFile.merged(base, own).with("output_dir", folder);
            if (!own.has(SEED)) {
                merged = merged.with(SEED, seed + number - 1);
            }
            Recipe.from(merged);
            stages.add(new Stage(number, name, merged, from));
            folders.put(name, folder);
        }
        return stages;
    }

    /** The number of the stage whose model a stage begins from; 0 for a new one. */
    private static int from(Block stage, Map<String, Path> folders) {
        if (!stage.has(FROM)) {
            return folders.size();
        }
        String from = stage.text(FROM);
        int found = List.copyOf(folders.keySet()).indexOf(from);
        if (folders.isEmpty() || !from.equals(NEW) && found < 0) {
            throw QuernException.badInput(
                    "%s: from: %s; leave it out, or name %s",
                    stage.position(FROM),
                    folders.isEmpty()
                            ? "the first stage begins from the recipe's model"
                            : "no stage before this one is called '%s'".formatted(from),
                    folders.isEmpty() ? "a stage before it in a later one" : "new or one of " + folders.keySet());
        }
        return found + 1;
    }

    /** With the folders of earlier stages in place of their names. */
    private static Block withFolders(Block stage, Map<String, Path> folders) {
        Block changed = stage;
        for (String key : stage.keys()) {
            Object value = stage.toMap().get(key);
            if (value instanceof Map<?, ?>) {
                changed = changed.with(key, withFolders(stage.block(key), folders));
            } else if (value instanceof String text && text.startsWith(FOLDER_OF)) {
                Path folder = folders.get(text.substring(FOLDER_OF.length()));
                if (folder == null) {
                    throw QuernException.badInput(
                            "%s: %s: '%s' is no stage before this one; there are %s",
                            stage.position(key), key, text.substring(FOLDER_OF.length()), folders.keySet());
                }
                changed = changed.with(key, folder);
            }
        }
        return changed;
    }

    private static void check(Block own, boolean later, boolean continues) {
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
            for (String key : continues ? List.of("path", "family") : List.of("path")) {
                if (own.block(MODEL).has(key)) {
                    throw QuernException.badInput(
                            "%s: model: %s: a later stage begins from the model of the stage before; leave it out, or set from: new",
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
                                : stage.from() > 0
                                        ? Preparation.afterStage(
                                                unlearned(stage.recipe()), all.get(stage.from() - 1), notes)
                                        : Preparation.newStage(
                                                unlearned(stage.recipe()),
                                                all.getFirst().tokenizer(),
                                                notes));
            } catch (QuernException e) {
                throw new QuernException(e.exitCode(), "stage '%s': %s".formatted(stage.name(), e.getMessage()), e);
            }
        }
        return all;
    }

    /** Without weights that a stage before it has yet to learn: until then, those of the sources themselves. */
    private static Block unlearned(Block recipe) {
        Block data = recipe.block(DATA);
        if (!data.has(MIXING) || !data.block(MIXING).has(WEIGHTS_FILE)) {
            return recipe;
        }
        Path weights = Path.of(data.block(MIXING).text(WEIGHTS_FILE));
        boolean ofStage = weights.getParent() != null
                && weights.getParent().equals(Path.of(recipe.text("output_dir")).getParent());
        return ofStage && !Files.exists(weights)
                ? recipe.with(DATA, data.with(MIXING, data.block(MIXING).without(WEIGHTS_FILE)))
                : recipe;
    }

    /** The names of a recipe's stages. */
    public static List<String> names(Block recipe) {
        return recipe.blocks(STAGES).stream().map(s -> s.text(NAME)).toList();
    }
}
