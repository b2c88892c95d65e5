package quern.data;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Position;
import quern.recipe.Range;
import quern.recipe.Records;
import quern.recipe.Shorthand;

/**
 * The recipe block {@code data}: where the text comes from, how it is split, and how long a row is. Exactly one of
 * {@code path}, {@code source}, {@code image_folder} and {@code sources} names the text.
 *
 * @param path files, folders or glob patterns ({@code .txt}, {@code .jsonl} and {@code .json}, and {@code .gz} or {@code
 *     .zst} of each), read in sorted order; a {@code .json} file holds a list of instruction rows
 * @param source a built-in corpus generated from a seed: {@code tales}, {@code shapes}, captions of images, or
 *     {@code grid_world}, an agent's episodes
 * @param imageFolder a folder of PNG and JPEG images, whose captions are the text: a {@code metadata.jsonl} in it with {@code
 *     file_name} and {@code field} in each line, or a {@code .txt} beside each image
 * @param field the key that holds the text in each line of a {@code .jsonl} file
 * @param format what the rows of JSON files are; absent: told by the keys of the first row, text where it has {@code field};
 *     all files are of one kind
 * @param chatTemplate what makes texts of conversations: a file, or {@code chatml}; absent: the tokenizer's own. It is saved
 *     with the model
 * @param textUnit what counts as a document in a {@code .txt} file
 * @param validationShare the share held out, in [0, 1): of the documents when there are several, else of the
 *     characters of the one document (its tail)
 * @param validationSeed chooses which documents are held out
 * @param maxLength tokens in a row
 * @param packing rows are windows over the concatenated documents, or, of instruction rows, hold as many whole ones as fit;
 *     otherwise a row is a document
 * @param onTooLong what becomes of a document that is longer than a row, where rows hold whole documents
 * @param documentSeparator text put after each document; absent: the tokenizer's end-of-text token where it has one,
 *     otherwise nothing
 * @param talesMegabytes size of the generated corpus, in units of 10^6 bytes
 * @param talesSeed seed of the generated corpus
 * @param shapesPairs captions in the generated corpus of shapes
 * @param shapesSeed seed of the generated corpus of shapes
 * @param gridEpisodes episodes in the generated corpus of a grid world
 * @param gridSeed seed of the generated corpus of a grid world
 * @param augment changes the text that trains, in this order and otherwise in every epoch; validation text stays
 * @param sources several corpora, whose rows are mixed
 * @param mixing the technique of kind {@code mixing} that says how, under {@code type}; absent: {@code fixed}
 * @param curriculum the technique of kind {@code curriculum} that orders the rows of each corpus, under {@code type};
 *     absent: every epoch has a seeded order of its own
 * @param promptTemplates phrasings that make a prompt and an answer of each line of {@code .jsonl} files
 */
public record DataConfig(
        @Doc("Files, folders or glob patterns (.txt, .jsonl, .json, and .gz or .zst of each).")
        @Default("[]")
        @Shorthand
        List<String> path,

        @Doc(
                "A built-in corpus instead of a path: tales, shapes (captions of images) or grid_world (an agent's episodes).")
        Optional<String> source,

        @Doc(
                "A folder of PNG and JPEG images with captions instead of a path: metadata.jsonl with file_name and field in each line, or a .txt beside each image.")
        Optional<String> imageFolder,

        @Doc("The key that holds the text in each line of a .jsonl file.") @Default("text")
        String field,

        @Doc(
                "What the rows of JSON files are: text, instruction (Alpaca), messages or prompt_completion (TRL), sharegpt; told by the first row unless given.")
        Optional<DataFormat> format,

        @Doc("What makes texts of conversations, a Jinja file or chatml; the tokenizer's own template unless given.")
        Optional<String> chatTemplate,

        @Doc("What counts as a document in a .txt file.") @Default("file")
        TextUnit textUnit,

        @Doc("The share held out for validation, of the documents or of the one document's characters.")
        @Default("0.1")
        @Range(min = 0, max = 1, maxExclusive = true)
        double validationShare,

        @Doc("Chooses which documents are held out.") @Default("0")
        long validationSeed,

        @Doc("Tokens in a row.") @Default("256") @Range(min = 1)
        int maxLength,

        @Doc(
                "Rows are windows over the concatenated documents, or hold whole instruction rows; otherwise a row is a document.")
        @Default("true")
        boolean packing,

        @Doc("What becomes of a document longer than max_length: error, drop, truncate or split.") @Default("truncate")
        OnTooLong onTooLong,

        @Doc("Text put after each document instead of the tokenizer's end-of-text token.")
        Optional<String> documentSeparator,

        @Doc("Size of the generated corpus in megabytes.")
        @Default("3")
        @Range(min = 0, minExclusive = true, max = 10_000)
        double talesMegabytes,

        @Doc("Seed of the generated corpus.") @Default("1") long talesSeed,

        @Doc("The number of captions in the generated corpus of shapes.") @Default("2000") @Range(min = 1)
        int shapesPairs,

        @Doc("Seed of the generated corpus of shapes.") @Default("1")
        long shapesSeed,

        @Doc("The number of episodes in the generated corpus of a grid world.") @Default("2000") @Range(min = 1)
        int gridEpisodes,

        @Doc("Seed of the generated corpus of a grid world.") @Default("1")
        long gridSeed,

        @Doc("Augmentations of the text that trains, other ones every epoch: blocks with type and its settings.")
        @Default("[]")
        List<Block> augment,

        @Doc("Several corpora instead of a path, each with a name and a weight.") @Default("[]")
        List<CorpusSettings> sources,

        @Doc("How often rows come from each of the sources: a type of mixing with its settings.") @Shorthand("type")
        Optional<Block> mixing,

        @Doc("In which order rows are met: a type of curriculum with its settings.") @Shorthand("type")
        Optional<Block> curriculum,

        @Doc("Phrasings that make a prompt and an answer of each line of .jsonl files.")
        Optional<PromptTemplates> promptTemplates) {
    /** The built-in corpus of tales. */
    public static final String TALES = "tales";

    /** The built-in corpus of captions, whose images {@link CaptionedImages} paints. */
    public static final String SHAPES = "shapes";

    /** The built-in corpus of an agent's episodes, whose images {@link AgentTokens} paints. */
    public static final String GRID_WORLD = "grid_world";

    /** Refuses contradicting or meaningless values; messages start with the key. */
    public DataConfig {
        path = List.copyOf(path);
        augment = List.copyOf(augment);
        Objects.requireNonNull(source);
        Objects.requireNonNull(imageFolder);
        Objects.requireNonNull(documentSeparator);
        Objects.requireNonNull(format);
        Objects.requireNonNull(chatTemplate);
        Objects.requireNonNull(onTooLong);
        sources = List.copyOf(sources);
        if (imageFolder.isPresent()) {
            checkImages(path, source, sources, format, promptTemplates);
        } else if (!sources.isEmpty()) {
            checkSources(path, source, sources);
        }
        if (sources.isEmpty() && mixing.isPresent()) {
            throw new IllegalArgumentException("mixing: has no effect without sources; name several of them");
        }
        if (sources.isEmpty() && imageFolder.isEmpty() && path.isEmpty() == source.isEmpty()) {
            throw new IllegalArgumentException(
                    path.isEmpty()
                            ? "path: no text is named; give path: FILE, FOLDER or GLOB, or source: " + TALES
                            : "source: path and source are both given; keep one of them");
        }
        List<String> builtIn = List.of(TALES, SHAPES, GRID_WORLD);
        if (source.isPresent() && !builtIn.contains(source.get())) {
            throw new IllegalArgumentException("source: '%s' is not a built-in corpus; there are %s"
                    .formatted(source.get(), String.join(", ", builtIn)));
        }
        if (promptTemplates.isPresent() && (source.isPresent() || format.isPresent())) {
            throw new IllegalArgumentException("prompt_templates: make their own texts of the rows of files; leave out "
                    + (source.isPresent() ? "source" : "format"));
        }
        if (source.isPresent() && format.isPresent()) {
            throw new IllegalArgumentException("format: is about files; leave it out with source");
        }
        for (String entry : path) {
            if (entry.isBlank()) {
                throw new IllegalArgumentException("path: an entry is empty; name a file, a folder or a glob");
            }
        }
        if (field.isEmpty()) {
            throw new IllegalArgumentException("field: empty; name the key that holds the text in a .jsonl line");
        }
        if (!(validationShare >= 0 && validationShare < 1)) {
            throw new IllegalArgumentException("validation_share: " + validationShare + " is not in [0, 1)");
        }
        if (maxLength < 1) {
            throw new IllegalArgumentException("max_length: " + maxLength + " is below 1");
        }
        if (!(talesMegabytes > 0 && talesMegabytes <= 10_000)) {
            throw new IllegalArgumentException("tales_megabytes: " + talesMegabytes + " is not in (0, 10000]");
        }
    }

    /** Text from files, folders or globs, everything else at its default. */
    public static DataConfig files(String... path) {
        return tales(1).with(Map.of("path", List.of(path), "source", Optional.empty(), "talesMegabytes", 3.0));
    }

    /** The generated corpus of the given size in megabytes, everything else at its default. */
    public static DataConfig tales(double megabytes) {
        return Block.empty(Position.of("data"))
                .with("source", TALES)
                .bind(DataConfig.class)
                .with("talesMegabytes", megabytes);
    }

    /** The same with another row length. */
    public DataConfig withMaxLength(int tokens) {
        return with("maxLength", tokens);
    }

    /** The same with packing on or off. */
    public DataConfig withPacking(boolean on) {
        return with("packing", on);
    }

    /** The same with another held-out share. */
    public DataConfig withValidationShare(double share) {
        return with("validationShare", share);
    }

    /** The same with another unit for {@code .txt} files. */
    public DataConfig withTextUnit(TextUnit unit) {
        return with("textUnit", unit);
    }

    /** The same with another text key for {@code .jsonl} files. */
    public DataConfig withField(String name) {
        return with("field", name);
    }

    /** The same with a text put after each document. */
    public DataConfig withDocumentSeparator(String text) {
        return with("documentSeparator", Optional.of(text));
    }

    /** The same with another answer to documents that are too long. */
    public DataConfig withOnTooLong(OnTooLong answer) {
        return with("onTooLong", answer);
    }

    /** The same with other phrasings. */
    public DataConfig withPromptTemplates(PromptTemplates other) {
        return with("promptTemplates", Optional.of(other));
    }

    /** The same with another value of a component. */
    DataConfig with(String component, Object value) {
        return with(Map.of(component, value));
    }

    private DataConfig with(Map<String, ?> changes) {
        return Records.with(this, changes);
    }

    private static void checkImages(
            List<String> path,
            Optional<String> source,
            List<CorpusSettings> sources,
            Optional<DataFormat> format,
            Optional<PromptTemplates> templates) {
        String other = !path.isEmpty()
                ? "path"
                : source.isPresent()
                        ? "source"
                        : !sources.isEmpty()
                                ? "sources"
                                : format.isPresent() ? "format" : templates.isPresent() ? "prompt_templates" : "";
        if (!other.isEmpty()) {
            throw new IllegalArgumentException(
                    "image_folder: its captions are the text, so %s is not for it; leave one of them out"
                            .formatted(other));
        }
    }

    private static void checkSources(List<String> path, Optional<String> source, List<CorpusSettings> sources) {
        if (!path.isEmpty() || source.isPresent()) {
            throw new IllegalArgumentException(
                    "sources: %s is given too; keep one of them".formatted(path.isEmpty() ? "source" : "path"));
        }
        Set<String> names = new HashSet<>();
        for (CorpusSettings one : sources) {
            if (!names.add(one.name())) {
                throw new IllegalArgumentException(
                        "sources: two are called '%s'; give each a name of its own".formatted(one.name()));
            }
        }
    }

    /** The corpora to read: this one, or each of the sources with what it does not say itself taken from here. */
    public List<DataConfig> parts() {
        return sources.isEmpty()
                ? List.of(this)
                : sources.stream().map(this::of).toList();
    }

    private DataConfig of(CorpusSettings one) {
        return with(Map.of(
                "path", one.path(),
                "source", one.source(),
                "field", one.field().orElse(field),
                "format", one.format().or(() -> one.path().isEmpty() ? Optional.empty() : format),
                "textUnit", one.textUnit().orElse(textUnit),
                "sources", List.of(),
                "mixing", Optional.empty()));
    }
}
