package quern.data.augment;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Verdict;
import quern.data.internal.Mix;

/**
 * A technique of kind {@code augmentation}: changes the text of a document. It runs on the fly while a model trains
 * ({@code data.augment}), with other changes every epoch, and as a stage of {@code quern data prepare}, once. What becomes
 * of a text depends on the text, the settings and a key alone, and the key on the seed, the document and the epoch.
 */
public interface Augmentation extends DocumentFilter {
    /** What the records of settings have in common. */
    interface Settings {
        /** The share of what the technique changes: of words, characters or documents, as it says. */
        double share();

        /** Chooses other changes. */
        long seed();
    }

    /**
     * What became of a text.
     *
     * @param text never empty where the old one was not
     * @param units words, characters or passages that might have been changed
     * @param changed how many were
     */
    record Change(String text, long units, long changed) {
        /** Nothing was changed. */
        static Change none(String text, long units) {
            return new Change(text, units, 0);
        }
    }

    /** Changes texts. Called by several threads at once. */
    interface Rewriting extends AutoCloseable {
        /** The changed text; a function of both arguments alone. */
        Change apply(String text, long key);

        /** Frees what it holds. */
        @Override
        default void close() {}
    }

    @Override
    default String kind() {
        return "augmentation";
    }

    /**
     * Ready to change texts.
     *
     * @param config this technique's own record, which is {@link Settings}
     * @throws quern.recipe.QuernException for a file that is missing or unfit
     */
    Rewriting rewriting(Record config);

    /** Tokens that the changed texts hold and that a tokenizer should know as one each; a recipe's tokenizer learns them. */
    default List<String> specialTokens(Record config) {
        return List.of();
    }

    @Override
    default Judge open(Record config) {
        Rewriting rewriting = rewriting(config);
        long seed = ((Settings) config).seed();
        return new Judge() {
            @Override
            public Verdict judge(quern.data.corpus.CorpusDocument document) {
                Change change = rewriting.apply(document.text(), key(seed, document.id()));
                Map<String, Long> counts = new HashMap<>();
                counts.put("units", change.units());
                counts.put("changed_units", change.changed());
                return change.changed() == 0 && change.units() == 0
                        ? Verdict.KEEP
                        : new Verdict.Replace(document.withText(change.text()), counts);
            }

            @Override
            public void close() {
                rewriting.close();
            }
        };
    }

    /** The key of a document. */
    static long key(long seed, String document) {
        long hash = Mix.hash(seed, document.length());
        for (int i = 0; i < document.length(); i++) {
            hash = Mix.hash(hash, document.charAt(i));
        }
        return hash;
    }
}
