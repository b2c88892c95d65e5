package quern.data.corpus.internal;

import java.util.Arrays;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.Quarantine;

/**
 * The lines of a file as bytes. A line longer than the limit is passed over without being held, and quarantined. A file
 * in UTF-16, which its byte order mark tells, is turned into UTF-8 first.
 */
public final class LineRecords implements AutoCloseable {
    private static final int FIRST_BUFFER = 1 << 16;

    private final CorpusFile file;
    private final SourceInput input;
    private final Utf16Input transcoded;
    private final Quarantine quarantine;
    private final byte quote;
    private final byte delimiter;
    private byte[] buffer = new byte[FIRST_BUFFER];
    private int start;
    private int end;
    private boolean ended;
    private long line;
    private long nextLine = 1;

    /** The lines of a file. */
    public LineRecords(CorpusFile file, Quarantine quarantine) {
        this(file, quarantine, (byte) 0, (byte) 0);
    }

    /**
     * The lines of a file, where an end of line in a quoted value ends none. A value is quoted that begins with a quote.
     *
     * @param quote 0 for none
     * @param delimiter between values
     */
    public LineRecords(CorpusFile file, Quarantine quarantine, byte quote, byte delimiter) {
        this.file = file;
        this.quarantine = quarantine;
        this.quote = quote;
        this.delimiter = delimiter;
        this.input = new SourceInput(file, quarantine);
        byte[] head = new byte[3];
        int n = 0;
        while (n < head.length) {
            int more = input.read(head, n, head.length - n);
            if (more < 0) {
                break;
            }
            n += more;
        }
        boolean little = n >= 2 && (head[0] & 0xff) == 0xff && (head[1] & 0xff) == 0xfe;
        boolean big = n >= 2 && (head[0] & 0xff) == 0xfe && (head[1] & 0xff) == 0xff;
        if (little || big) {
            transcoded = new Utf16Input(input, little, Arrays.copyOfRange(head, 2, n));
            quarantine.count(little ? "decoded_utf-16le" : "decoded_utf-16be", 1);
        } else {
            transcoded = null;
            boolean mark = n == 3 && (head[0] & 0xff) == 0xef && (head[1] & 0xff) == 0xbb && (head[2] & 0xff) == 0xbf;
            if (!mark) {
                System.arraycopy(head, 0, buffer, 0, n);
                end = n;
            }
        }
    }

    /** The next line without its end; null at the end of the file. */
    public byte[] next() {
        boolean tooLong = false;
        int scanned = 0;
        boolean quoted = false;
        // Where a quote opens a value: at the start of the line, and behind a delimiter or a closing quote.
        boolean opens = true;
        line = nextLine;
        long passed = 0;
        while (true) {
            for (int i = start + scanned; i < end; i++) {
                byte b = buffer[i];
                if (b == quote && quote != 0) {
                    opens |= quoted;
                    quoted = !quoted && opens;
                    continue;
                }
                opens = b == delimiter;
                if (b == '\n') {
                    nextLine++;
                    if (quoted && !tooLong) {
                        continue;
                    }
                    int length = i - start;
                    int from = start;
                    start = i + 1;
                    if (tooLong || length > file.maxDocumentBytes()) {
                        tooLong(passed + length);
                        line = nextLine;
                        tooLong = false;
                        quoted = false;
                        opens = true;
                        passed = 0;
                        scanned = 0;
                        i = start - 1;
                        continue;
                    }
                    return Arrays.copyOfRange(buffer, from, from + trimmed(from, length));
                }
            }
            scanned = end - start;
            if (ended) {
                if (tooLong) {
                    if (!input.failed()) {
                        tooLong(passed + scanned);
                    }
                    start = end;
                    return null;
                }
                if (scanned == 0 || input.failed()) {
                    // The last line of a file that breaks off is most likely half a line.
                    start = end;
                    return null;
                }
                if (scanned > file.maxDocumentBytes()) {
                    tooLong(scanned);
                    start = end;
                    return null;
                }
                int from = start;
                start = end;
                return Arrays.copyOfRange(buffer, from, from + trimmed(from, scanned));
            }
            if (scanned > file.maxDocumentBytes()) {
                tooLong = true;
            }
            if (tooLong) {
                passed += scanned;
                start = end;
                scanned = 0;
            }
            fill();
        }
    }

    private void tooLong(long bytes) {
        quarantine.add(
                file.origin() + ":" + line,
                "too_large",
                "a record of %,d bytes, over the limit of %,d".formatted(bytes, file.maxDocumentBytes()));
    }

    private int trimmed(int from, int length) {
        return length > 0 && buffer[from + length - 1] == '\r' ? length - 1 : length;
    }

    private void fill() {
        if (start > 0) {
            System.arraycopy(buffer, start, buffer, 0, end - start);
            end -= start;
            start = 0;
        }
        if (end == buffer.length) {
            buffer = Arrays.copyOf(buffer, (int) Math.min(buffer.length * 2L, file.maxDocumentBytes() + FIRST_BUFFER));
        }
        int n = transcoded == null
                ? input.read(buffer, end, buffer.length - end)
                : transcoded.read(buffer, end, buffer.length - end);
        if (n < 0) {
            ended = true;
        } else {
            end += n;
        }
    }

    /** The number of the line that was given last, from 1. */
    public long line() {
        return line;
    }

    @Override
    public void close() {
        input.close();
    }
}
