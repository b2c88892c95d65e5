package quern.data.internal;

import java.io.InputStream;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import quern.recipe.QuernException;

/**
 * Decodes UTF-8 in bounded memory. Invalid sequences become U+FFFD and are counted; NUL bytes and text that is mostly
 * invalid are refused, since they mean that the file is no text. A mark of byte order at the start is left out. Reading needs
 * room for two characters.
 */
final class Utf8Reader extends Reader {
    /** A share of invalid sequences above this is no text in any encoding close to UTF-8. */
    private static final double MOST_INVALID = 0.1;
    /** Characters to see before the share above is judged; at the end of the file it is judged in any case. */
    private static final long JUDGE_AFTER = 4096;

    private final Path file;
    private final InputStream in;
    private final ByteBuffer bytes = ByteBuffer.allocate(1 << 16).limit(0);
    private final CharsetDecoder decoder = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    private long bytesRead;
    private long characters;
    private long invalid;
    private boolean ended;
    private boolean judged;

    Utf8Reader(Path file, InputStream in) {
        this.file = file;
        this.in = in;
    }

    /** Sequences replaced so far. */
    long invalid() {
        return invalid;
    }

    /** Fills part of the array; -1 at the end. The last character is never half of a pair. */
    @Override
    public int read(char[] into, int offset, int length) {
        if (length < 2) {
            throw new IllegalArgumentException("room for two characters is needed");
        }
        CharBuffer out = CharBuffer.wrap(into, offset, length);
        while (out.position() == offset) {
            if (!bytes.hasRemaining() && ended) {
                judge();
                return -1;
            }
            CoderResult result = decoder.decode(bytes, out, ended);
            if (result.isError()) {
                if (out.remaining() == 0) {
                    break;
                }
                bytes.position(bytes.position() + result.length());
                out.put('\uFFFD');
                invalid++;
            } else if (result.isUnderflow() && out.position() == offset) {
                fill();
            }
        }
        int n = out.position() - offset;
        characters += n;
        if (characters >= JUDGE_AFTER && !judged) {
            judge();
        }
        return n;
    }

    private void fill() {
        bytes.compact();
        int start = bytes.position();
        int n = SourceBytes.read(in, bytes.array(), start, bytes.remaining());
        if (n < 0) {
            ended = true;
        } else {
            if (bytesRead == 0) {
                checkMark(n);
            }
            for (int i = start; i < start + n; i++) {
                if (bytes.array()[i] == 0) {
                    throw QuernException.failed(
                            "%s: binary data (a NUL byte at offset %,d); expected UTF-8 text",
                            file, bytesRead + i - start);
                }
            }
            bytesRead += n;
            bytes.position(start + n);
        }
        bytes.flip();
        if (bytesRead == n && n >= 3 && isUtf8Mark()) {
            bytes.position(3);
        }
    }

    private boolean isUtf8Mark() {
        byte[] b = bytes.array();
        return b[0] == (byte) 0xEF && b[1] == (byte) 0xBB && b[2] == (byte) 0xBF;
    }

    private void checkMark(int n) {
        byte[] b = bytes.array();
        if (n >= 2 && ((b[0] == (byte) 0xFF && b[1] == (byte) 0xFE) || (b[0] == (byte) 0xFE && b[1] == (byte) 0xFF))) {
            throw QuernException.failed(
                    "%s: UTF-16 text (it starts with a byte order mark); expected UTF-8, convert it first", file);
        }
    }

    private void judge() {
        judged = true;
        if (invalid > characters * MOST_INVALID) {
            throw QuernException.failed(
                    "%s: binary data or another encoding (%,d invalid UTF-8 sequences in the first %,d characters);"
                            + " expected UTF-8 text",
                    file, invalid, characters);
        }
    }

    @Override
    public void close() {
        SourceBytes.close(in);
    }
}
