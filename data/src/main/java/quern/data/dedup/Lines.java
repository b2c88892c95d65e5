package quern.data.dedup;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Verdict;

/**
 * The lines of a text that count when lines are compared: those with enough characters after folding.
 *
 * @param folding what differences do not count
 * @param minLength characters (UTF-16 units) that a line needs, blanks at its ends aside
 */
public record Lines(Folding folding, int minLength) implements Serializable {
    private static final long serialVersionUID = 1L;

    /** A reader of texts, for one thread. */
    public Reader reader() {
        return new Reader(this);
    }

    /**
     * A line that counts.
     *
     * @param number in its text, from 0
     * @param hash of it
     */
    public record Line(int number, TextHash hash) {}

    /** Finds the lines that count. */
    public static final class Reader {
        private final Lines lines;
        private final TextHash.Reader hashes;

        private Reader(Lines lines) {
            this.lines = lines;
            this.hashes = new TextHash.Reader(lines.folding);
        }

        /** The lines of {@code text} that count, in order. */
        public List<Line> of(String text) {
            List<Line> found = new ArrayList<>();
            int number = 0;
            int from = 0;
            while (from <= text.length()) {
                int to = end(text, from);
                int last = to > from && text.charAt(to - 1) == '\r' ? to - 1 : to;
                TextHash hash = hashes.of(text.substring(from, last));
                if (hashes.strippedLength() >= lines.minLength) {
                    found.add(new Line(number, hash));
                }
                number++;
                from = to + 1;
            }
            return found;
        }
    }

    /** {@code text} without the lines at these ascending numbers, with their line ends. */
    public static String without(String text, int[] numbers) {
        StringBuilder rest = new StringBuilder(text.length());
        int next = 0;
        int number = 0;
        int from = 0;
        while (from <= text.length()) {
            int to = end(text, from);
            if (next < numbers.length && numbers[next] == number) {
                next++;
            } else {
                rest.append(text, from, Math.min(to + 1, text.length()));
            }
            number++;
            from = to + 1;
        }
        return rest.toString();
    }

    /** What becomes of a document of which these lines fall away: it goes where nothing but blanks is left. */
    public static Verdict verdict(String reason, CorpusDocument document, int[] numbers) {
        if (numbers.length == 0) {
            return Verdict.KEEP;
        }
        String rest = without(document.text(), numbers);
        return rest.isBlank()
                ? Verdict.drop(reason, "all of %d lines were there before".formatted(numbers.length))
                : new Verdict.Replace(document.withText(rest), Map.of("lines", (long) numbers.length));
    }

    private static int end(String text, int from) {
        int to = text.indexOf('\n', from);
        return to < 0 ? text.length() : to;
    }
}
