package quern.data.augment;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Synonym replacement (Wei and Zou 2019, EDA, arXiv:1901.11196; Zhang et al. 2015, arXiv:1509.01626): words of a table are
 * replaced by others of their line. A table is UTF-8 text, a line of words that mean the same, divided by commas; inflected
 * forms are words of their own.
 */
public final class Synonym implements Augmentation {
    private static final String BUILT_IN = "synonyms.txt";

    /**
     * @param share of the phrases of the table that are replaced, each for itself
     * @param table a file of phrases; absent: a small one of English comes with Quern
     * @param seed chooses other changes
     */
    public record Config(
            @Doc("The share of the table's phrases that are replaced.")
            @Default("0.3")
            @Range(min = 0, max = 1, minExclusive = true)
            double share,

            @Doc("A file of phrases; absent: a small English one.")
            Optional<Path> table,

            @Doc("Chooses other changes.") @Default("0") long seed)
            implements Settings {}

    @Override
    public String id() {
        return "synonym";
    }

    @Override
    public String summary() {
        return "replaces words by others of the same meaning";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public List<Path> files(Record config) {
        return ((Config) config).table().stream().toList();
    }

    @Override
    public Rewriting rewriting(Record config) {
        Config own = (Config) config;
        PhraseTable table = PhraseTable.alike(own.table(), BUILT_IN);
        return (text, key) -> table.replace(text, key, own.share());
    }
}
