package quern.data.augment;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Back-translation (Sennrich et al. 2016, arXiv:1511.06709; as augmentation Edunov et al. 2018, arXiv:1808.09381): text goes into
 * another language and comes back as another text. Two sequence-to-sequence models do it, the first one's answer being read
 * by the second; or a table of words, a line of a phrase, a tab and its translations divided by commas, whose phrases may come
 * back as any other that shares a translation.
 */
public final class BackTranslation implements Augmentation {
    private static final String BUILT_IN = "translations.txt";

    /**
     * @param share of the phrases of the table that are replaced, or with models of the documents
     * @param table a file of phrases; absent: a small one of English comes with Quern
     * @param models folders of two sequence-to-sequence models, there and back; instead of a table
     * @param seed chooses other changes
     */
    public record Config(
            @Doc("The share of the table's phrases that are replaced, or with models of the documents.")
            @Default("0.3")
            @Range(min = 0, max = 1, minExclusive = true)
            double share,

            @Doc("A file of phrases; absent: a small English one.")
            Optional<Path> table,

            @Doc("Folders of two sequence-to-sequence models, there and back; instead of a table.") @Default("[]")
            List<Path> models,

            @Doc("Chooses other changes.") @Default("0") long seed)
            implements TableOrModels {
        /** Refuses a table and models together, and another number of models. */
        public Config {
            models = List.copyOf(models);
            TableOrModels.check(table, models, 2, "a sequence-to-sequence model into another language and one back");
        }
    }

    @Override
    public String id() {
        return "back_translation";
    }

    @Override
    public String summary() {
        return "translates into another language and back, by a table or two models";
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
        return own.rewriting(id(), () -> PhraseTable.throughTranslations(own.table(), BUILT_IN));
    }
}
