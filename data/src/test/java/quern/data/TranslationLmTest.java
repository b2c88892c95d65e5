package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.QuernException;

/** Rows of a text and its translation: frame, languages, positions, hidden tokens. */
class TranslationLmTest {
    private static final Tokenizer TOKENIZER = new BpeTrainer()
            .train(
                    List.of("one two three four five six eins zwei drei vier sechs"),
                    new BpeTrainer.Config(300, 2, new TranslationLm().specialTokens()))
            .tokenizer();
    private static final TranslationLm.Config USUAL = new TranslationLm.Config("de", 0.15, MaskedLm.Masking.TOKEN);

    @TempDir
    Path folder;

    private DataConfig data(String... lines) {
        Path file = folder.resolve("pairs.jsonl");
        try {
            Files.writeString(file, String.join("\n", lines));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        return DataConfig.files(file.toString()).withField("en").withValidationShare(0.2);
    }

    private static String line(String text, String translation) {
        return "{\"en\": \"%s\", \"de\": \"%s\"}".formatted(text, translation);
    }

    private static BatchSource source(DataConfig data, TranslationLm.Config config) {
        TokenStore store = TokenStore.prepare(data, TOKENIZER, note -> {});
        return new TranslationLm().source(new Objective.Input(store.train(), TOKENIZER, data, 4, 3), config);
    }

    @Test
    void aRowIsATextAndItsTranslationEachFromPositionNought() {
        String[] lines = new String[40];
        for (int i = 0; i < lines.length; i++) {
            lines[i] = line("n%d one".formatted(i), "n%d eins zwei".formatted(i));
        }
        BatchSource source = source(data(lines), USUAL);
        int rows = 0;
        for (long k = 0; k < source.batchesPerEpoch(); k++) {
            Batch batch = source.batch(k);
            assertArrayEquals(batch.inputIds(), source.batch(k).inputIds());
            int[] types = ((Batch.Values.Ints) batch.others().get("token_type_ids")).values();
            int[] positions = ((Batch.Values.Ints) batch.others().get("text_positions")).values();
            for (int row = 0; row < batch.rows(); row++, rows++) {
                int from = row * batch.columns();
                int length = batch.lengths()[row];
                int[] ids = new int[length];
                for (int i = 0; i < length; i++) {
                    int label = batch.labels()[from + i];
                    ids[i] = label == Batch.NOT_COUNTED ? batch.inputIds()[from + i] : label;
                }
                int second = 0;
                while (types[from + second] == 0) {
                    second++;
                }
                assertEquals(TOKENIZER.special(SpecialToken.CLS_TOKEN).getAsInt(), ids[0]);
                int sep = TOKENIZER.special(SpecialToken.SEP_TOKEN).getAsInt();
                assertEquals(sep, ids[second - 1]);
                assertEquals(sep, ids[length - 1]);
                String text = TOKENIZER.decode(Arrays.copyOfRange(ids, 1, second - 1));
                String translation = TOKENIZER.decode(Arrays.copyOfRange(ids, second, length - 1));
                assertEquals(text.replace("one", "eins zwei"), translation);
                for (int i = 0; i < length; i++) {
                    assertEquals(i < second ? i : i - second, positions[from + i]);
                    assertEquals(i < second ? 0 : 1, types[from + i]);
                }
            }
        }
        assertEquals(32, rows, "four fifths of the lines");
    }

    @Test
    void theLongerOfTwoIsCutFirst() {
        String[] lines = {line("one two three four five six one two", "eins"), line("one", "eins zwei drei vier sechs")
        };
        BatchSource source = source(data(lines).withMaxLength(10).withValidationShare(0), USUAL);
        Batch batch = source.batch(0);
        assertTrue(Arrays.stream(batch.lengths()).allMatch(length -> length <= 10));
        assertEquals(1, source.notices().size());
        assertEquals(2, batch.rows());
    }

    /** Five standard deviations of a binomial share: one test run in some two million fails by chance. */
    @Test
    void theShareOfHiddenTokensHoldsInBothLanguages() {
        String[] lines = new String[2_000];
        Arrays.fill(lines, line("one two three four five six ".repeat(4), "eins zwei drei vier sechs ".repeat(4)));
        BatchSource source = source(data(lines).withValidationShare(0), USUAL);
        long[] hidden = new long[2];
        long[] all = new long[2];
        for (long k = 0; k < source.batchesPerEpoch(); k++) {
            Batch batch = source.batch(k);
            int[] types = ((Batch.Values.Ints) batch.others().get("token_type_ids")).values();
            for (int row = 0; row < batch.rows(); row++) {
                for (int i = 0; i < batch.lengths()[row]; i++) {
                    int at = row * batch.columns() + i;
                    boolean counted = batch.labels()[at] != Batch.NOT_COUNTED;
                    if (counted || !TOKENIZER.isSpecial(batch.inputIds()[at])) {
                        all[types[at]]++;
                        hidden[types[at]] += counted ? 1 : 0;
                    }
                }
            }
        }
        for (int language = 0; language < 2; language++) {
            double bound = 5 * Math.sqrt(0.15 * 0.85 / all[language]);
            assertEquals(0.15, (double) hidden[language] / all[language], bound);
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        DataConfig gap = data(line("one", "eins"), line("two", ""), line("three", "drei"), line("four", "vier"));
        refused(gap, USUAL, "don't match; leave the line out");
        DataConfig fine = data(line("one", "eins"), line("two", "zwei"), line("three", "drei"));
        refused(fine, new TranslationLm.Config("en", 0.15, MaskedLm.Masking.TOKEN), "paired with itself");
        refused(fine, new TranslationLm.Config("fr", 0.15, MaskedLm.Masking.TOKEN), "fr");
        refused(DataConfig.tales(0.01), USUAL, "has no second texts");
        refused(fine.withMaxLength(4), USUAL, "no room for two texts");
    }

    private static void refused(DataConfig data, TranslationLm.Config config, String part) {
        QuernException e = assertThrows(QuernException.class, () -> source(data, config));
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }
}
