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
            implements TableOrModels {
        /** Refuses a table and models together, and another number of models. */
        public Config {
            models = List.copyOf(models);
            TableOrModels.check(table, models, 1, "a sequence-to-sequence model that paraphrases");
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
        return ((Config) config).files();
    }

    @Override
    public Rewriting rewriting(Record config) {
        Config own = (Config) config;
        return own.rewriting(id(), () -> PhraseTable.alike(own.table(), BUILT_IN));
    }
}
