package quern.data;

import java.util.List;
import java.util.Optional;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.recipe.Shorthand;

/**
 * One of several corpora that a training reads: an entry of {@code data.sources}. Exactly one of {@code path} and {@code
 * source} names its text; what is absent is as the block {@code data} has it.
 *
 * @param name what logs and plans call it
 * @param path files, folders or glob patterns
 * @param source a built-in corpus
 * @param weight how often its rows are met beside those of other corpora; absent: as many tokens as it has
 * @param field the key that holds the text in each line of a {@code .jsonl} file
 * @param format what the rows of JSON files are
 * @param textUnit what counts as a document in a {@code .txt} file
 */
public record CorpusSettings(
        @Doc("What logs and plans call it.") String name,

        @Doc("Files, folders or glob patterns.") @Default("[]") @Shorthand
        List<String> path,

        @Doc("A built-in corpus instead of a path.") Optional<String> source,

        @Doc("How often its rows are met beside those of other corpora; its tokens unless given.")
        @Range(min = 0, minExclusive = true)
        Optional<Double> weight,

        @Doc("The key that holds the text in each line of a .jsonl file.")
        Optional<String> field,

        @Doc("What the rows of JSON files are, text or instruction.")
        Optional<DataFormat> format,

        @Doc("What counts as a document in a .txt file.") Optional<TextUnit> textUnit) {
    /** Refuses a corpus without a name or without exactly one text. */
    public CorpusSettings {
        path = List.copyOf(path);
        if (name.isBlank() || name.contains("/")) {
            throw new IllegalArgumentException("name: '" + name + "' names nothing; expected a word without '/'");
        }
        if (path.isEmpty() == source.isEmpty()) {
            throw new IllegalArgumentException(
                    path.isEmpty()
                            ? "path: no text is named for '" + name + "'; give path or source"
                            : "source: path and source are both given for '" + name + "'; keep one of them");
        }
    }
}
