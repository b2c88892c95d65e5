package quern.data.corpus;

import java.io.InputStream;
import java.nio.file.Path;
import java.util.Objects;
import quern.data.corpus.internal.PlainStream;

/**
 * A file of a source.
 *
 * @param path where it lies
 * @param origin its name in ids and reports: the path relative to the recipe's working folder, with forward slashes
 * @param maxDocumentBytes a larger record is quarantined
 */
public record CorpusFile(Path path, String origin, int maxDocumentBytes) {
    /** Refuses meaningless sizes. */
    public CorpusFile {
        Objects.requireNonNull(path);
        Objects.requireNonNull(origin);
        if (maxDocumentBytes < 1) {
            throw new IllegalArgumentException("maxDocumentBytes " + maxDocumentBytes + " is below 1");
        }
    }

    /**
     * The plain bytes, decompressed where the content is gzip (of any number of members) or Zstandard. Its failures are
     * {@link java.io.IOException}s; a bomb is one too.
     */
    public InputStream open() throws java.io.IOException {
        return PlainStream.open(path);
    }
}
