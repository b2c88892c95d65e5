package quern.data.internal;

import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import quern.data.Document;
import quern.data.TextUnit;
import quern.recipe.QuernException;

/** A text file whose lines or paragraphs are documents. */
final class TextUnitReader implements DocumentReader {
    private final Path file;
    private final Utf8Reader in;
    private final TextUnit unit;
    private final int limit;
    private final ArrayDeque<Document> ready = new ArrayDeque<>();
    private char[] buffer = new char[1 << 16];
    private int start;
    private int end;
    private boolean ended;
    private long line = 1;
    private long empty;

    TextUnitReader(Path file, InputStream in, TextUnit unit, int limit) {
        this.file = file;
        this.in = new Utf8Reader(file, in);
        this.unit = unit;
        this.limit = limit;
    }

    @Override
    public Document next() {
        while (ready.isEmpty()) {
            long first = line;
            String text = unit == TextUnit.LINE ? nextLine() : nextParagraph();
            if (text == null) {
                return null;
            }
            if (text.isBlank()) {
                empty++;
            } else {
                ready.addAll(DocumentReader.pieces(file.toString(), first, text, PIECE));
            }
        }
        return ready.poll();
    }

    private String nextLine() {
        int length = lineLength(0);
        if (length == 0) {
            return null;
        }
        int textLength = length;
        if (buffer[start + textLength - 1] == '\n') {
            textLength--;
        }
        if (textLength > 0 && buffer[start + textLength - 1] == '\r') {
            textLength--;
        }
        return take(length, textLength);
    }

    private String nextParagraph() {
        int length = 0;
        boolean blankSeen = false;
        boolean textSeen = false;
        while (true) {
            int next = lineLength(length);
            boolean blank = isBlank(start + length, next);
            if (next == 0 || (!blank && textSeen && blankSeen)) {
                return length == 0 ? null : take(length, length);
            }
            textSeen |= !blank;
            blankSeen |= blank;
            length += next;
        }
    }

    private boolean isBlank(int from, int length) {
        for (int i = from; i < from + length; i++) {
            if (!PreTokens.isSpace(buffer[i])) {
                return false;
            }
        }
        return true;
    }

    private String take(int length, int textLength) {
        String text = new String(buffer, start, textLength);
        for (int i = start; i < start + length; i++) {
            if (buffer[i] == '\n') {
                line++;
            }
        }
        start += length;
        return text;
    }

    /** Length of the line that starts {@code skip} characters on, its end included; 0 at the end of the file. */
    private int lineLength(int skip) {
        int scanned = skip;
        while (true) {
            for (int i = start + scanned; i < end; i++) {
                if (buffer[i] == '\n') {
                    return i + 1 - start - skip;
                }
            }
            scanned = end - start;
            if (ended) {
                return scanned - skip;
            }
            fill();
        }
    }

    private void fill() {
        if (start > 0) {
            System.arraycopy(buffer, start, buffer, 0, end - start);
            end -= start;
            start = 0;
        }
        if (end >= limit) {
            throw QuernException.failed(
                    "%s:%d: a %s of more than %,d characters; break it up or read the file as one document"
                            + " (text_unit: file)",
                    file, line, unit == TextUnit.LINE ? "line" : "paragraph", limit);
        }
        if (end > buffer.length - 2) {
            buffer = Arrays.copyOf(buffer, buffer.length * 2);
        }
        int n = in.read(buffer, end, buffer.length - end);
        if (n < 0) {
            ended = true;
        } else {
            end += n;
        }
    }

    @Override
    public long invalid() {
        return in.invalid();
    }

    @Override
    public long empty() {
        return empty;
    }

    @Override
    public void close() {
        in.close();
    }
}
