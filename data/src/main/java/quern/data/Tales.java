package quern.data;

import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.NoSuchElementException;
import quern.data.internal.Mix;
import quern.data.internal.TaleWriter;

/**
 * A seeded grammar that writes short tales: the corpus Quern can always train on. Each tale has a hero, a companion, a
 * place, a wish or a trouble, and an end that follows from what happened; names, pronouns, things and numbers agree
 * from the first sentence to the last. A tale ends with a blank line. Tale number n is a pure function of (seed, n).
 */
public final class Tales {
    private final long seed;

    /** The tales of one seed. */
    public Tales(long seed) {
        this.seed = seed;
    }

    /** Tale number {@code index}, with the blank line after it. */
    public String tale(long index) {
        return new TaleWriter(Mix.hash(seed, index)).write();
    }

    /** Tales from the first on, until together they reach this many bytes of UTF-8. */
    public Iterator<String> iterator(long bytes) {
        return new Iterator<>() {
            private long index;
            private long written;

            @Override
            public boolean hasNext() {
                return written < bytes;
            }

            @Override
            public String next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                String tale = tale(index++);
                written += tale.getBytes(StandardCharsets.UTF_8).length;
                return tale;
            }
        };
    }

    /** As one text of at least this many bytes. */
    public String text(long bytes) {
        StringBuilder text = new StringBuilder();
        iterator(bytes).forEachRemaining(text::append);
        return text.toString();
    }
}
