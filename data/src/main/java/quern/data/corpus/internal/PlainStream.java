package quern.data.corpus.internal;

import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import java.io.BufferedInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;

/**
 * The plain bytes of a file, whose compression is told by its first bytes and not by its name. A file that expands beyond
 * any text ends in a {@link BombException}.
 */
public final class PlainStream extends FilterInputStream {
    private static final int BUFFER = 1 << 16;
    /** Zstandard frames may ask for a window of at most 2^27 bytes (128 MiB), the format's own recommended limit. */
    private static final int ZSTD_WINDOW_LOG = 27;
    /** Text rarely shrinks below a tenth; zeros shrink to a thousandth. */
    private static final long BOMB_RATIO = 200;
    /** Whatever its ratio, a file may always expand to this. */
    private static final long BOMB_FLOOR = 64L << 20;

    private final CountedStream raw;
    private final boolean compressed;
    private long produced;

    /** A compressed file that is no text. */
    public static final class BombException extends IOException {
        private static final long serialVersionUID = 1L;

        BombException(String message) {
            super(message);
        }
    }

    private PlainStream(CountedStream raw, InputStream plain, boolean compressed) {
        super(plain);
        this.raw = raw;
        this.compressed = compressed;
    }

    /** Opens a file. */
    public static InputStream open(Path file) throws IOException {
        CountedStream raw = new CountedStream(Files.newInputStream(file));
        try {
            BufferedInputStream buffered = new BufferedInputStream(raw, BUFFER);
            buffered.mark(4);
            byte[] head = buffered.readNBytes(4);
            buffered.reset();
            if (head.length >= 2 && (head[0] & 0xff) == 0x1f && (head[1] & 0xff) == 0x8b) {
                return new PlainStream(raw, new GZIPInputStream(buffered, BUFFER), true);
            }
            if (head.length == 4
                    && (head[0] & 0xff) == 0x28
                    && (head[1] & 0xff) == 0xb5
                    && (head[2] & 0xff) == 0x2f
                    && (head[3] & 0xff) == 0xfd) {
                ZstdInputStreamNoFinalizer zstd = new ZstdInputStreamNoFinalizer(buffered);
                zstd.setLongMax(ZSTD_WINDOW_LOG);
                return new PlainStream(raw, zstd, true);
            }
            return new PlainStream(raw, buffered, false);
        } catch (IOException | RuntimeException e) {
            raw.close();
            throw e;
        }
    }

    @Override
    public int read() throws IOException {
        int b = in.read();
        if (b >= 0) {
            check(1);
        }
        return b;
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
        int n = in.read(into, offset, length);
        if (n > 0) {
            check(n);
        }
        return n;
    }

    private void check(int n) throws IOException {
        produced += n;
        if (compressed && produced > BOMB_FLOOR && produced / Math.max(1, raw.count) >= BOMB_RATIO) {
            throw new BombException("%,d compressed bytes expand to more than %,d, over %d to 1"
                    .formatted(raw.count, produced, BOMB_RATIO));
        }
    }

    @Override
    public boolean markSupported() {
        return false;
    }

    /** Counts what is read of the file. */
    private static final class CountedStream extends FilterInputStream {
        private long count;

        CountedStream(InputStream in) {
            super(in);
        }

        @Override
        public int read() throws IOException {
            int b = in.read();
            count += b >= 0 ? 1 : 0;
            return b;
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            int n = in.read(into, offset, length);
            count += Math.max(0, n);
            return n;
        }
    }
}
