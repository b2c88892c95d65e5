package quern.data.corpus;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import quern.recipe.Technique;

/**
 * A technique of kind {@code dedup}: finds what a corpus holds twice. It may read the corpus as often as it needs before
 * it decides.
 */
public interface Deduplication extends Technique {
    @Override
    default String kind() {
        return "dedup";
    }

    /** Raised when the same configuration decides otherwise than before, so that what was cached is made again. */
    default int edition() {
        return 1;
    }

    /** Files that the configuration names and that the decisions depend on, such as a model. */
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
     * Reads the corpus and decides. The answer depends on the corpus and the configuration alone, not on the number of
     * threads or the memory.
     *
     * @param config this technique's own record
     */
    Decisions decide(Corpus corpus, Record config, Context context);

    /** Documents that can be read several times, always in the same order. */
    interface Corpus {
        /** How many there are. */
        long count();

        /** A pass from the first document on. */
        Cursor open();

        /** One pass. */
        interface Cursor extends AutoCloseable {
            /** The next document; null at the end. */
            CorpusDocument next();

            @Override
            void close();
        }
    }

    /**
     * What the work may use.
     *
     * @param scratch an empty folder for spills, deleted afterwards
     * @param memoryBytes of heap that may be held at once, about
     * @param threads that may work at once
     * @param progress takes lines for a person to read
     */
    record Context(Path scratch, long memoryBytes, int threads, Consumer<String> progress) {}

    /** What becomes of each document. */
    interface Decisions extends AutoCloseable {
        /**
         * The verdict on the document at {@code index}. It is asked for every document once, in order, by one thread.
         */
        Verdict judge(long index, CorpusDocument document);

        /** Totals for the report by name: {@code clusters}, {@code pairs_compared}… */
        Map<String, Long> totals();

        /** A few clusters for the report, the largest first. */
        List<Cluster> examples();

        @Override
        void close();
    }

    /**
     * Documents that are taken for one.
     *
     * @param kept the id of the one that stays
     * @param dropped ids of some of the others, in order
     * @param size documents in it, the kept one among them
     */
    record Cluster(String kept, List<String> dropped, long size) {}
}
