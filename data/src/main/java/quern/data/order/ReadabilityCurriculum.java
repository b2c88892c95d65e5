package quern.data.order;

import java.text.Normalizer;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A curriculum by how hard a row's text is to read: the grade of Kincaid et al. 1975, {@code 0.39 words/sentences + 11.8
 * syllables/words - 15.59}. A sentence ends at {@code . ! ?} or an ellipsis; syllables are groups of vowels, less a silent e.
 */
public final class ReadabilityCurriculum implements Curriculum {
    @Override
    public String id() {
        return "readability";
    }

    @Override
    public String summary() {
        return "rows that are easy to read first";
    }

    @Override
    public Class<? extends Record> config() {
        return PacedSettings.class;
    }

    @Override
    public RowOrder open(Rows rows, Record config) {
        return new PacedOrder(measure(rows), (PacedSettings) config, rows.seed());
    }

    private static final Pattern WORD = Pattern.compile("\\p{L}+(?:['\u2019]\\p{L}+)*");
    private static final Pattern SENTENCE_END = Pattern.compile("[.!?\u2026]");
    private static final Pattern VOWELS = Pattern.compile("[aeiouy]+");
    private static final Pattern MARKS = Pattern.compile("\\p{M}");

    static double[] measure(Rows rows) {
        return PacedOrder.measured(rows, row -> grade(rows.text(row)));
    }

    /** The grade of a text; 0 of one without words. */
    static double grade(String text) {
        long words = 0;
        long syllables = 0;
        long sentences = 1;
        int end = 0;
        Matcher word = WORD.matcher(text);
        while (word.find()) {
            // An end that no word follows closes the last sentence and begins none.
            boolean begins = words > 0
                    && SENTENCE_END.matcher(text.substring(end, word.start())).find();
            sentences += begins ? 1 : 0;
            words++;
            syllables += syllables(word.group());
            end = word.end();
        }
        return words == 0 ? 0 : 0.39 * words / sentences + 11.8 * syllables / words - 15.59;
    }

    /** Syllables of a word, 1 at least. */
    static int syllables(String word) {
        String plain = MARKS.matcher(Normalizer.normalize(word, Normalizer.Form.NFD))
                .replaceAll("")
                .toLowerCase(Locale.ROOT);
        int groups = (int) VOWELS.matcher(plain).results().count();
        // An e with an accent is spoken.
        boolean silent = plain.length() > 2
                && "eE".indexOf(word.charAt(word.length() - 1)) >= 0
                && !plain.endsWith("le")
                && "aeiouy".indexOf(plain.charAt(plain.length() - 2)) < 0;
        return Math.max(1, silent ? groups - 1 : groups);
    }
}
