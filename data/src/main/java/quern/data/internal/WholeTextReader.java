package quern.data.internal;

import java.io.InputStream;
import java.nio.file.Path;
import quern.data.Document;

/** A text file as one document, in pieces. */
final class WholeTextReader implements DocumentReader {
    private final String origin;
    private final Utf8Reader in;
    private final char[] buffer;
    private int length;
    private boolean ended;
    private boolean started;
    private boolean finished;

    WholeTextReader(Path file, InputStream in, int pieceLength) {
        this.origin = file.toString();
        this.in = new Utf8Reader(file, in);
        this.buffer = new char[pieceLength];
    }

    @Override
    public Document next() {
        if (finished) {
            return null;
        }
        while (!ended && length < buffer.length - 1) {
            int n = in.read(buffer, length, buffer.length - length);
            if (n < 0) {
                ended = true;
            } else {
                length += n;
            }
        }
        if (ended) {
            finished = true;
            // A cut always leaves text behind, so only a file without any text gets here with nothing.
            return length == 0 ? null : new Document(origin, 0, new String(buffer, 0, length), !started, true);
        }
        int cut = Math.min(PieceCut.cut(buffer, length), length - 1);
        if (Character.isHighSurrogate(buffer[cut - 1])) {
            cut--;
        }
        Document piece = new Document(origin, 0, new String(buffer, 0, cut), !started, false);
        System.arraycopy(buffer, cut, buffer, 0, length - cut);
        length -= cut;
        started = true;
        return piece;
    }

    @Override
    public long invalid() {
        return in.invalid();
    }

    @Override
    public long empty() {
        return finished && !started && length == 0 ? 1 : 0;
    }

    @Override
    public void close() {
        in.close();
    }
}
