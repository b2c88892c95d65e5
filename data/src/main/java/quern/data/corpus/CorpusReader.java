package quern.data.corpus;

import java.util.List;
import java.util.Set;
import quern.recipe.Technique;

/**
 * A technique of kind {@code source}: reads the documents of files of one format as a stream in bounded memory. A record
 * that can not be read is quarantined and the reading goes on where that is possible.
 */
public interface CorpusReader extends Technique {
    @Override
    default String kind() {
        return "source";
    }

    /** How names of such files end, compression aside: {@code .warc}. */
    Set<String> endings();

    /** Raised when the same file gives other documents than before. */
    default int edition() {
        return 1;
    }

    /**
     * Begins to read a file.
     *
     * @param config this technique's own record
     */
    Records open(CorpusFile file, Record config, Quarantine quarantine);

    /** The records of a file in their order, read by one thread. */
    interface Records extends AutoCloseable {
        /** The next record; null at the end. */
        Raw next();

        @Override
        void close();
    }

    /** A record as it lies in the file. */
    interface Raw {
        /** About how many bytes of memory it holds. */
        long bytes();

        /**
         * The documents in it: the costly part of reading (character sets, extraction), a pure function that any thread
         * may call, once. What can not be read goes to {@code quarantine}.
         */
        List<CorpusDocument> documents(Quarantine quarantine);
    }
}
