package quern.data.corpus.internal;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;
import org.netpreserve.jwarc.WarcReader;
import org.netpreserve.jwarc.WarcRecord;
import org.netpreserve.jwarc.WarcTargetRecord;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.Quarantine;

/** The records of one type in a WARC file (ISO 28500), each held whole. */
public final class WarcRecords implements CorpusReader.Records {
    private final CorpusFile file;
    private final String type;
    private final Quarantine quarantine;
    private final Maker maker;
    private final SourceInput input;
    private WarcReader reader;
    private long number;
    /** Behind a damaged record there may be bytes left that are none. */
    private boolean ended;

    /** Makes what is handed on of a record's content. */
    public interface Maker {
        /**
         * A record.
         *
         * @param id the document's id
         * @param url what was fetched
         * @param content the record's block
         */
        CorpusReader.Raw make(String id, Optional<String> url, byte[] content);
    }

    /** Reads records of a type: {@code response} or {@code conversion}. */
    public WarcRecords(CorpusFile file, String type, Quarantine quarantine, Maker maker) {
        this.file = file;
        this.type = type;
        this.quarantine = quarantine;
        this.maker = maker;
        this.input = new SourceInput(file, quarantine);
    }

    @Override
    public CorpusReader.Raw next() {
        if (ended) {
            return null;
        }
        CorpusReader.Raw record = read();
        ended = record == null;
        return record;
    }

    private CorpusReader.Raw read() {
        while (true) {
            try {
                if (reader == null) {
                    if (input.failed()) {
                        return null;
                    }
                    reader = new WarcReader(input.stream());
                    reader.setLenient(true);
                }
                WarcRecord record = reader.next().orElse(null);
                if (record == null) {
                    return null;
                }
                number++;
                if (!record.type().equals(type) || !(record instanceof WarcTargetRecord target)) {
                    continue;
                }
                String place = file.origin() + "#" + number;
                long size = record.body().size();
                if (size < 0) {
                    throw new IOException("a record of %,d bytes".formatted(size));
                }
                if (size > file.maxDocumentBytes()) {
                    quarantine.add(
                            place,
                            "too_large",
                            "a record of %,d bytes, over the limit of %,d".formatted(size, file.maxDocumentBytes()));
                    continue;
                }
                byte[] content = new byte[(int) size];
                InputStream body = record.body().stream();
                int n = body.readNBytes(content, 0, content.length);
                if (n < size) {
                    throw new EOFException("a record of %,d bytes ends after %,d".formatted(size, n));
                }
                return maker.make(place, url(target), content);
            } catch (IOException | RuntimeException e) {
                // What the library throws for a damaged record has many types; after it the borders are lost.
                if (!input.failed()) {
                    quarantine.add(
                            file.origin() + "#" + (number + 1),
                            e instanceof EOFException ? "truncated_file" : "invalid_warc",
                            "the file is left out from here on: " + e.getMessage());
                }
                return null;
            }
        }
    }

    private static Optional<String> url(WarcTargetRecord record) {
        return record.headers()
                .first("WARC-Target-URI")
                .map(uri -> uri.startsWith("<") && uri.endsWith(">") ? uri.substring(1, uri.length() - 1) : uri);
    }

    @Override
    public void close() {
        input.close();
    }
}
