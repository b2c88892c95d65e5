package quern.data.corpus.internal;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.ZipException;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.Quarantine;

/**
 * The plain bytes of a source file. Where they can not be read any further the rest is quarantined, as one record, and the
 * stream ends there.
 */
public final class SourceInput implements AutoCloseable {
    private final CorpusFile file;
    private final Quarantine quarantine;
    private InputStream in;
    private boolean failed;
    private long produced;

    /** Opens the file. */
    public SourceInput(CorpusFile file, Quarantine quarantine) {
        this.file = file;
        this.quarantine = quarantine;
        try {
            in = file.open();
        } catch (IOException e) {
            fail(e);
        }
    }

    /** Reads up to {@code length} bytes; below 0 at the end. */
    public int read(byte[] into, int offset, int length) {
        if (failed) {
            return -1;
        }
        try {
            int n = in.read(into, offset, length);
            produced += Math.max(0, n);
            return n;
        } catch (IOException e) {
            fail(e);
            return -1;
        }
    }

    /** As a stream whose end is a failure too. */
    public InputStream stream() {
        return new InputStream() {
            @Override
            public int read() {
                byte[] one = new byte[1];
                return SourceInput.this.read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
            }

            @Override
            public int read(byte[] into, int offset, int length) {
                return SourceInput.this.read(into, offset, length);
            }
        };
    }

    /** Whether the end that was met is none. */
    public boolean failed() {
        return failed;
    }

    private void fail(IOException e) {
        failed = true;
        String reason = switch (e) {
            case PlainStream.BombException bomb -> "decompression_bomb";
            case EOFException end -> "truncated_file";
            case ZipException zip -> "corrupt_compression";
            default ->
                e.getClass().getName().contains("Zstd")
                        ? String.valueOf(e.getMessage()).contains("runcated") ? "truncated_file" : "corrupt_compression"
                        : "unreadable_file";
        };
        quarantine.add(
                file.origin(),
                reason,
                "the file is left out from plain byte %,d on: %s"
                        .formatted(
                                produced,
                                e.getMessage() == null ? "the compressed data ends too early" : e.getMessage()));
    }

    @Override
    public void close() {
        if (in != null) {
            try {
                in.close();
            } catch (IOException e) {
                fail(e);
            }
        }
    }
}
