package quern.data.augment;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Says the same in other words: phrases of a table are replaced by others of their line, as in the paraphrase database of
 * Ganitkevitch et al. (2013), or a sequence-to-sequence model writes the whole document anew.
 */
public final class Paraphrase implements Augmentation {
    private static final String BUILT_IN = "paraphrases.txt";

    /**
     * @param share of the phrases of the table that are replaced, or with models of the documents
     * @param table a file of phrases; absent: a small one of English comes with Quern
     * @param models folders of one sequence-to-sequence model that paraphrases; instead of a table
     * @param seed chooses other changes
     */
    public record Config(
            @Doc("The share of the table's phrases that are replaced, or with models of the documents.")
            @Default("0.3")
            @Range(min = 0, max = 1, minExclusive = true)
            double share,

            @Doc("A file of phrases; absent: a small English one.")
            Optional<Path> table,

            @Doc("Folders of one sequence-to-sequence model that paraphrases; instead of a table.") @Default("[]")
            List<Path> models,

            @Doc("Chooses other changes.") @Default("0") long seed)
            implements Settings {
        /** Refuses a table and models together, and another number of models. */
        public Config {
            models = List.copyOf(models);
            if (!models.isEmpty() && table.isPresent()) {
                throw new IllegalArgumentException("models: table and models are both given; keep one of them");
            }
            if (!models.isEmpty() && models.size() != 1) {
                throw new IllegalArgumentException(
                        "models: %d folders; expected 1, a sequence-to-sequence model that paraphrases"
                                .formatted(models.size()));
            }
        }
    }

    @Override
    public String id() {
        return "paraphrase";
    }

    @Override
    public String summary() {
        return "says the same in other words, by a table or a model";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public List<Path> files(Record config) {
        Config own = (Config) config;
        return own.models().isEmpty() ? own.table().stream().toList() : RewriterTechnique.files(own.models());
    }

    @Override
    public Rewriting rewriting(Record config) {
        Config own = (Config) config;
        if (!own.models().isEmpty()) {
            return RewriterTechnique.rewriting(id(), own.models(), own.share());
        }
        PhraseTable table = PhraseTable.alike(own.table(), BUILT_IN);
        return (text, key) -> table.replace(text, key, own.share());
    }
}
