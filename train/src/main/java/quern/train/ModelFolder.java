package quern.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import quern.data.DataConfig;
import quern.data.Tokenizer;
import quern.models.LanguageModel;
import quern.models.ModelConfig;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.RecipeFile;
import quern.tensor.DType;
import quern.tensor.Device;

/**
 * A folder with a model and its tokenizer, found from what a person names: a Hugging Face folder, a finished run, one
 * checkpoint, or a run that has only checkpoints so far, whose newest is taken.
 *
 * @param path the folder that holds {@code config.json} and the weights
 * @param run the run folder that was named, where {@code path} is its newest checkpoint
 */
public record ModelFolder(Path path, Optional<Path> run) {
    private static final String CONFIG = "config.json";
    private static final String TOKENIZER = "tokenizer.json";

    /**
     * Finds the model behind a name. A finished run's published model is preferred to its checkpoints.
     *
     * @throws QuernException bad input when there is no such folder or no model in it
     */
    public static ModelFolder find(Path named) {
        if (!Files.isDirectory(named)) {
            throw QuernException.badInput(
                    "%s: no such folder; expected a model folder, or a run folder of quern train", named);
        }
        if (Files.isRegularFile(named.resolve(CONFIG))) {
            return new ModelFolder(named, Optional.empty());
        }
        List<Path> checkpoints = Checkpoints.list(named);
        if (!checkpoints.isEmpty()) {
            return new ModelFolder(checkpoints.getLast(), Optional.of(named));
        }
        if (Files.isRegularFile(named.resolve(RunFolder.RECIPE))) {
            throw QuernException.badInput(
                    "%s: this run has neither a model nor a checkpoint yet; go on with quern train --resume %s",
                    named, named);
        }
        throw QuernException.badInput(
                "%s: no %s in it; expected a model folder, or a run folder of quern train", named, CONFIG);
    }

    /** What to tell a person when something else than the named folder was taken. */
    public Optional<String> note() {
        return run.map(r -> "%s is not finished; using its newest checkpoint, %s".formatted(r, path.getFileName()));
    }

    /** How many tokens a row had in the training that made the model, where the folder belongs to a run of Quern. */
    public Optional<Integer> trainedLength() {
        return recipe().map(
                        recipe -> recipe.block("data").bind(DataConfig.class).maxLength());
    }

    /** The image tokenizer by whose codes the model was trained, where the folder belongs to such a run of Quern. */
    public Optional<Path> imageTokenizer() {
        return recipe().map(recipe -> Recipe.from(recipe).objective())
                .filter(objective -> objective.has("image_tokenizer"))
                .map(objective -> Path.of(objective.text("image_tokenizer")));
    }

    /** The recipe of the run that the folder belongs to. */
    private Optional<Block> recipe() {
        Path parent = path.toAbsolutePath().normalize().getParent();
        return Stream.of(path, parent)
                .map(folder -> folder.resolve(RunFolder.RECIPE))
                .filter(Files::isRegularFile)
                .findFirst()
                .map(recipe -> RecipeFile.load(recipe, List.of()));
    }

    /** Loads the model; the caller closes it. */
    public LanguageModel model(DType dtype, Device device) {
        return LanguageModel.load(path, dtype, device);
    }

    /**
     * Loads the tokenizer.
     *
     * @param config the model's settings, which must know every token
     */
    public Tokenizer tokenizer(ModelConfig config) {
        if (!Files.isRegularFile(path.resolve(TOKENIZER))) {
            throw QuernException.badInput(
                    "%s: no %s beside the model; put the model's own tokenizer there", path, TOKENIZER);
        }
        Tokenizer tokenizer = Tokenizer.load(path);
        if (tokenizer.vocabularySize() > config.vocabSize()) {
            throw QuernException.badInput(
                    "%s: the tokenizer has %,d tokens, but the model knows %,d; put the model's own tokenizer there",
                    path.resolve(TOKENIZER), tokenizer.vocabularySize(), config.vocabSize());
        }
        return tokenizer;
    }

    /**
     * The tokens that a prompt begins with. An empty one begins as a document does: after the end-of-text token where
     * there is one, else after a line break.
     */
    static long[] promptTokens(Tokenizer tokenizer, String prompt) {
        int[] ids = tokenizer.encode(prompt);
        if (ids.length == 0) {
            ids = tokenizer.endOfText().isPresent()
                    ? new int[] {tokenizer.endOfText().getAsInt()}
                    : tokenizer.encode("\n");
        }
        return Arrays.stream(ids.length == 0 ? new int[] {0} : ids)
                .asLongStream()
                .toArray();
    }
}
