package quern.data.corpus;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import quern.recipe.Position;
import quern.recipe.Technique;

/**
 * A technique of kind {@code filter}: keeps, drops or rewrites documents one by one. Its ids and those of {@link
 * Deduplication} are distinct, since a recipe's list of stages holds both.
 */
public interface DocumentFilter extends Technique {
    @Override
    default String kind() {
        return "filter";
    }

    /**
     * Raised when the same configuration gives other verdicts than before, so that what was cached is made again.
     */
    default int edition() {
        return 1;
    }

    /** Files that the configuration names and that the verdicts depend on, such as a model. */
    default List<Path> files(Record config) {
        return List.of();
    }

    /**
     * Tells of the records of those {@link #files} that can't be used, for the stage's report.
     *
     * @param config this technique's own record
     */
    default void quarantined(Record config, Quarantine quarantine) {
        // Most learn nothing from files.
    }

    /**
     * Refuses what can't work, before the first document is read.
     *
     * @param config this technique's own record
     * @param place the stage in the recipe, for messages
     * @throws quern.recipe.QuernException for a setting that can't be met
     */
    default void check(Record config, Position place) {
        // The record's own checks are enough for most.
    }

    /**
     * Ready to judge.
     *
     * @param config this technique's own record
     * @throws quern.recipe.QuernException for a file that is missing or unfit
     */
    Judge open(Record config);

    /** Judges documents. A pure function, called by several threads at once, in any order. */
    interface Judge extends AutoCloseable {
        /** What becomes of the document. */
        Verdict judge(CorpusDocument document);

        /** The verdicts on several, in their order; for judges that are faster with many at once. */
        default List<Verdict> judgeAll(List<CorpusDocument> documents) {
            List<Verdict> verdicts = new ArrayList<>(documents.size());
            for (CorpusDocument document : documents) {
                verdicts.add(judge(document));
            }
            return verdicts;
        }

        /** Frees what it holds. */
        @Override
        default void close() {}
    }
}
