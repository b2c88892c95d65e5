package quern.data.internal;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** Reads from streams whose failures are already one-line errors ({@link SourceStream}) or can not happen. */
final class SourceBytes {
    private SourceBytes() {}

    static int read(InputStream in, byte[] into, int offset, int length) {
        try {
            return in.read(into, offset, length);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void close(InputStream in) {
        try {
            in.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
