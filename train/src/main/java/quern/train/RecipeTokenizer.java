package quern.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import quern.data.DataConfig;
import quern.data.Documents;
import quern.data.Objective;
import quern.data.Tokenizer;
import quern.data.TokenizerTrainer;
import quern.data.augment.AugmentedText;
import quern.models.EmbeddingInitialization;
import quern.models.ModelSpec;
import quern.models.VocabularyExtension;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.Techniques;

/**
 * The recipe block {@code tokenizer}: one that is trained ({@code type}), of a folder ({@code path}) or the model's own, with the
 * tokens that the recipe adds to it ({@code added_tokens}, {@code added_special_tokens}), and what a model's vectors for those
 * start as ({@code embedding_initialization}).
 *
 * @param tokenizer with the added tokens
 * @param pieces ids of the added tokens, with those that their texts had before
 * @param initialization what a model's vectors for them start as
 * @param place the block, for messages
 */
public record RecipeTokenizer(
        Tokenizer tokenizer, Map<Integer, int[]> pieces, EmbeddingInitialization initialization, Block place) {
    private static final String SPECIAL_TOKENS = "special_tokens";
    private static final Set<String> ADDITIONS = Arrays.stream(Additions.class.getRecordComponents())
            .map(Block::key)
            .collect(Collectors.toUnmodifiableSet());

    /**
     * Keys of the block that say what to add.
     *
     * @param addedTokens tokens that stand for text
     * @param addedSpecialTokens tokens that stand for no text
     * @param embeddingInitialization what a model's vectors for them start as
     */
    record Additions(
            @Doc("Tokens that stand for text, added behind the vocabulary.") @Default("[]")
            List<String> addedTokens,

            @Doc("Tokens that stand for no text, added behind the vocabulary.") @Default("[]")
            List<String> addedSpecialTokens,

            @Doc(
                    "What a model's vectors for the added tokens start as: pieces (the mean of those that spelled it before), mean, normal.")
            Optional<EmbeddingInitialization> embeddingInitialization) {
        boolean isEmpty() {
            return addedTokens.isEmpty() && addedSpecialTokens.isEmpty();
        }
    }

    /** The tokenizer of a recipe, by itself: trained or loaded, with what is added to it. */
    public static RecipeTokenizer of(Block block, Consumer<String> notes) {
        Recipe recipe = Recipe.from(block);
        Objective named = Techniques.find(
                Objective.class,
                "objective",
                recipe.objective().text("type"),
                recipe.objective().position("type"));
        Objective objective =
                named.configured(recipe.objective().without("type").bind(named.config()));
        Optional<Path> startFolder =
                recipe.model().has("path") ? Optional.of(Path.of(recipe.model().text("path"))) : Optional.empty();
        DataConfig data = recipe.data().bind(DataConfig.class);
        return of(block, recipe, data, objective, startFolder, Optional.empty(), notes);
    }

    /** The tokenizer that an earlier stage has. */
    static RecipeTokenizer existing(Tokenizer tokenizer, Block place) {
        return new RecipeTokenizer(tokenizer, Map.of(), EmbeddingInitialization.PIECES, place);
    }

    /** The recipe's tokenizer; for a run that goes on, the run's own instead. */
    static RecipeTokenizer of(
            Block block,
            Recipe recipe,
            DataConfig data,
            Objective objective,
            Optional<Path> startFolder,
            Optional<Path> runTokenizer,
            Consumer<String> notes) {
        Block choice = recipe.tokenizer().orElseGet(() -> Block.empty(block.position()));
        Block basis = choice;
        Block written = choice;
        for (String key : choice.keys()) {
            if (ADDITIONS.contains(key)) {
                basis = basis.without(key);
            } else {
                written = written.without(key);
            }
        }
        Additions additions = written.bind(Additions.class);
        if (additions.embeddingInitialization().isPresent() && (startFolder.isEmpty() || additions.isEmpty())) {
            throw QuernException.badInput(
                    "%s: tokenizer: embedding_initialization has no effect without added_tokens and a model.path to extend; leave it out",
                    choice.position("embedding_initialization"));
        }
        EmbeddingInitialization initialization =
                additions.embeddingInitialization().orElse(EmbeddingInitialization.PIECES);
        Block kind = basis;
        Tokenizer before = runTokenizer
                .map(Tokenizer::load)
                .orElseGet(() -> basis(block, kind, data, objective, startFolder, notes));
        if (additions.isEmpty()) {
            return new RecipeTokenizer(before, Map.of(), initialization, choice);
        }
        // A run's own tokenizer has the tokens already.
        Tokenizer larger = runTokenizer.isPresent()
                ? before
                : before.withAdded(additions.addedTokens(), additions.addedSpecialTokens());
        Map<Integer, int[]> pieces = new LinkedHashMap<>();
        List<String> all = new ArrayList<>(additions.addedTokens());
        all.addAll(additions.addedSpecialTokens());
        all.forEach(token -> pieces.put(larger.id(token), before.encode(token)));
        return new RecipeTokenizer(larger, pieces, initialization, choice);
    }

    private static Tokenizer basis(
            Block block,
            Block choice,
            DataConfig data,
            Objective objective,
            Optional<Path> startFolder,
            Consumer<String> notes) {
        if (choice.keys().isEmpty()) {
            return Tokenizer.load(startFolder.orElseThrow(() -> QuernException.badInput(
                    "%s: tokenizer: missing; give tokenizer: bpe, tokenizer: char or tokenizer: {path: FOLDER}",
                    block.position())));
        }
        if (choice.has("path")) {
            for (String key : choice.keys()) {
                if (!key.equals("path")) {
                    throw QuernException.badInput(
                            "%s: tokenizer: %s has no effect beside path; leave one of them out",
                            choice.position(key), key);
                }
            }
            return Tokenizer.load(Path.of(choice.text("path")));
        }
        if (!choice.has("type")) {
            throw QuernException.badInput(
                    "%s: tokenizer: expected type: NAME or path: FOLDER, found %s", choice.position(), choice.keys());
        }
        if (startFolder.isPresent()) {
            throw QuernException.badInput(
                    "%s: tokenizer: a new tokenizer would not fit the model in %s, whose vectors belong to its own; leave tokenizer out",
                    choice.position(), startFolder.get());
        }
        TokenizerTrainer trainer =
                Techniques.find(TokenizerTrainer.class, "tokenizer", choice.text("type"), choice.position("type"));
        Record config = withSpecialTokens(choice.without("type"), trainer, specialTokens(objective, data))
                .bind(trainer.config());
        notes.accept("training a %s tokenizer".formatted(trainer.id()));
        return Tokenizer.of(trainer.train(Documents.open(data).texts(), config));
    }

    /** What the objective's rows hold, and the augmented texts. */
    private static List<String> specialTokens(Objective objective, DataConfig data) {
        List<String> tokens = new ArrayList<>(objective.specialTokens());
        AugmentedText.of(data.augment()).stream()
                .flatMap(augmented -> augmented.specialTokens().stream())
                .filter(token -> !tokens.contains(token))
                .forEach(tokens::add);
        return tokens;
    }

    /** With the tokens that rows need, where the tokenizer can learn some and the recipe names none. */
    private static Block withSpecialTokens(Block settings, TokenizerTrainer trainer, List<String> needed) {
        boolean learns = Arrays.stream(trainer.config().getRecordComponents())
                .anyMatch(c -> c.getName().equals("specialTokens"));
        if (!learns || settings.has(SPECIAL_TOKENS) || needed.isEmpty()) {
            return settings;
        }
        List<String> tokens = new ArrayList<>(needed);
        trainer.usualSpecialTokens().stream()
                .filter(token -> !tokens.contains(token))
                .forEach(tokens::add);
        return settings.with(SPECIAL_TOKENS, tokens);
    }

    /** The settings of a folder's model with room for the added tokens. */
    ModelSpec extend(ModelSpec folder) {
        int wanted = tokenizer.vocabularySize();
        int before = wanted - pieces.size();
        if (pieces.isEmpty() || wanted <= folder.config().vocabSize()) {
            return folder;
        }
        if (before > folder.config().vocabSize()) {
            throw QuernException.badInput(
                    "%s: tokenizer: has %,d tokens without the added ones, but the model knows %,d; use the model's own tokenizer",
                    place.position(), before, folder.config().vocabSize());
        }
        return folder.withVocabulary(wanted);
    }

    /**
     * What becomes of a folder's model.
     *
     * @param extended what {@link #extend} gave
     */
    Optional<VocabularyExtension> extension(ModelSpec extended, long seed) {
        return pieces.isEmpty()
                ? Optional.empty()
                : Optional.of(new VocabularyExtension(extended.config().vocabSize(), pieces, initialization, seed));
    }
}
