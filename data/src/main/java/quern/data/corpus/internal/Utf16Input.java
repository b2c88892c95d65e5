package quern.data.corpus.internal;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.SequenceInputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** Turns UTF-16 into UTF-8 as it is read. */
final class Utf16Input {
    private final Reader reader;
    private final char[] characters = new char[1 << 13];
    private byte[] ready = new byte[0];
    private int at;
    private char carried;
    private boolean carries;

    Utf16Input(SourceInput input, boolean little, byte[] head) {
        this.reader = new InputStreamReader(
                new SequenceInputStream(new ByteArrayInputStream(head), input.stream()),
                little ? StandardCharsets.UTF_16LE : StandardCharsets.UTF_16BE);
    }

    int read(byte[] into, int offset, int length) {
        if (at == ready.length && !refill()) {
            return -1;
        }
        int n = Math.min(length, ready.length - at);
        System.arraycopy(ready, at, into, offset, n);
        at += n;
        return n;
    }

    private boolean refill() {
        try {
            int from = 0;
            if (carries) {
                characters[from++] = carried;
                carries = false;
            }
            int n = reader.read(characters, from, characters.length - from);
            if (n < 0 && from == 0) {
                return false;
            }
            int count = from + Math.max(0, n);
            if (n > 0 && Character.isHighSurrogate(characters[count - 1])) {
                carried = characters[--count];
                carries = true;
            }
            ready = new String(characters, 0, count).getBytes(StandardCharsets.UTF_8);
            at = 0;
            return ready.length > 0 || refill();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
