package quern.data.internal;

import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/**
 * The plain bytes of a source file, decompressed where its name ends in {@code .gz} or {@code .zst}. Failures of the
 * compressed stream become one-line errors that name the file; a file that expands beyond any text is refused.
 */
public final class SourceStream extends InputStream {
    private static final int BUFFER = 1 << 16;
    /** Zstandard frames may ask for a window of at most 2^27 bytes (128 MiB), the format's own recommended limit. */
    private static final int ZSTD_WINDOW_LOG = 27;

    /** Text rarely shrinks below a tenth; zeros shrink to a thousandth. */
    static final long BOMB_RATIO = 200;

    private final Path file;
    private final InputStream raw;
    private final InputStream plain;
    private final long compressedSize;
    private final long bombFloor;
    private final boolean compressed;
    private long produced;

    /** Opens the file. */
    public static SourceStream open(Path file) {
        return open(file, 256L << 20);
    }

    /** As above; a compressed file may always expand to {@code bombFloor} bytes. */
    static SourceStream open(Path file, long bombFloor) {
        try {
            return new SourceStream(file, bombFloor);
        } catch (IOException e) {
            throw failure(file, 0, e);
        }
    }

    private SourceStream(Path file, long bombFloor) throws IOException {
        this.file = file;
        this.bombFloor = bombFloor;
        this.compressedSize = Math.max(1, Files.size(file));
        this.raw = Files.newInputStream(file);
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        InputStream opened = raw;
        try {
            if (name.endsWith(".gz")) {
                opened = new GZIPInputStream(raw, BUFFER);
            } else if (name.endsWith(".zst")) {
                ZstdInputStreamNoFinalizer zstd = new ZstdInputStreamNoFinalizer(raw);
                zstd.setLongMax(ZSTD_WINDOW_LOG);
                opened = zstd;
            }
        } catch (IOException e) {
            raw.close();
            throw e;
        }
        this.plain = opened;
        this.compressed = opened != raw;
    }

    @Override
    public int read() {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] into, int offset, int length) {
        int n;
        try {
            n = plain.read(into, offset, length);
        } catch (IOException e) {
            throw failure(file, produced, e);
        }
        if (n > 0) {
            produced += n;
            if (compressed && produced > bombFloor && produced / compressedSize >= BOMB_RATIO) {
                throw QuernException.failed(
                        "%s: %,d compressed bytes expand to more than %,d, over %d to 1; this is a decompression bomb,"
                                + " not text",
                        file, compressedSize, produced, BOMB_RATIO);
            }
        }
        return n;
    }

    @Override
    public void close() {
        try {
            plain.close();
        } catch (IOException e) {
            throw failure(file, produced, e);
        }
    }

    private static QuernException failure(Path file, long produced, IOException e) {
        boolean zstd = e.getClass().getName().contains("Zstd");
        if (e instanceof EOFException || (zstd && String.valueOf(e.getMessage()).contains("runcated"))) {
            return new QuernException(
                    ExitCode.FAILED,
                    "%s: the compressed data ends early, after %,d plain bytes; the file is truncated, copy it again"
                            .formatted(file, produced),
                    e);
        }
        if (e instanceof ZipException || zstd) {
            return new QuernException(
                    ExitCode.FAILED,
                    "%s: not valid compressed data after %,d plain bytes (%s); the file is corrupt or misnamed"
                            .formatted(file, produced, e.getMessage()),
                    e);
        }
        return new QuernException(ExitCode.FAILED, "%s: can not be read (%s)".formatted(file, e.getMessage()), e);
    }
}
