package quern.data.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.BlankInfilling;
import quern.data.BpeTrainer;
import quern.data.DataConfig;
import quern.data.Objective;
import quern.data.Permutation;
import quern.data.SpecialToken;
import quern.data.Tales;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.recipe.QuernException;

/** GLM's rows: the paper's figure, the laws of what is drawn, and that the text can be had back. */
class BlankedRowsTest {
    private static final Tokenizer TOKENIZER = new BpeTrainer()
            .train(
                    List.of(new Tales(1).text(3_000)),
                    new BpeTrainer.Config(420, 2, new BlankInfilling().specialTokens()))
            .tokenizer();
    private static final int MASK = TOKENIZER.special(SpecialToken.MASK_TOKEN).getAsInt();
    private static final int START = TOKENIZER.id(BlankInfilling.START);
    private static final int END = TOKENIZER.id(BlankInfilling.END);

    private static Objective.Input input(int size, int length) {
        int[] tokens = IntStream.range(0, size).map(i -> 10 + i % 400).toArray();
        TokenStream stream = TokenStream.of("test", tokens, new long[] {0}, size, TOKENIZER.vocabularySize());
        return new Objective.Input(stream, TOKENIZER, DataConfig.files("x").withMaxLength(length), 16, 7);
    }

    private static BatchSource source(int size, int length, double document) {
        return new BlankInfilling().source(input(size, length), new BlankInfilling.Config(0.15, 3, document));
    }

    /** Figure 2 of the paper: of x1 … x6 the spans x3 and x5 x6, the second written first. */
    @Test
    void theRowOfThePapersFigure() {
        BlankedRows rows = (BlankedRows) source(1000, 64, 0);
        int[] text = {101, 102, 103, 104, 105, 106};
        Permutation swapped = IntStream.range(0, 100)
                .mapToObj(key -> new Permutation(2, key))
                .filter(order -> order.at(0) == 1)
                .findFirst()
                .orElseThrow();
        BlankedRows.Row row = rows.row(text, List.of(new BlankedRows.Span(2, 1), new BlankedRows.Span(4, 2)), swapped);
        int no = Batch.NOT_COUNTED;
        assertArrayEquals(new int[] {101, 102, MASK, 104, MASK, START, 105, 106, START, 103}, row.ids());
        assertArrayEquals(new int[] {no, no, no, no, no, 105, 106, END, 103, END}, row.labels());
        assertArrayEquals(new int[] {0, 1, 2, 3, 4, 4, 4, 4, 2, 2}, row.positions());
        assertArrayEquals(new int[] {0, 0, 0, 0, 0, 1, 2, 3, 1, 2}, row.blocks());
        assertEquals(5, row.prefix());
    }

    /** The text of a row, its spans put back where their masks are; counts the spans' lengths. */
    private static int[] restored(Batch batch, int row, TreeMap<Integer, Integer> lengths) {
        int at = row * batch.columns();
        int prefix = ints(batch, "prefix_lengths")[row];
        int[] positions = ints(batch, "text_positions");
        TreeMap<Integer, int[]> spans = new TreeMap<>();
        for (int i = prefix; i < batch.lengths()[row]; ) {
            assertEquals(START, batch.inputIds()[at + i]);
            int from = i;
            while (batch.labels()[at + i] != END) {
                i++;
            }
            int[] span = Arrays.copyOfRange(batch.labels(), at + from, at + i);
            assertArrayEquals(span, Arrays.copyOfRange(batch.inputIds(), at + from + 1, at + i + 1));
            spans.put(positions[at + from], span);
            lengths.merge(span.length, 1, Integer::sum);
            i++;
        }
        IntStream.Builder text = IntStream.builder();
        for (int i = 0; i < prefix; i++) {
            if (batch.inputIds()[at + i] == MASK) {
                Arrays.stream(spans.remove(i)).forEach(text::add);
            } else {
                text.add(batch.inputIds()[at + i]);
            }
        }
        assertTrue(spans.isEmpty());
        return text.build().toArray();
    }

    private static int[] ints(Batch batch, String name) {
        return ((Batch.Values.Ints) batch.others().get(name)).values();
    }

    @Test
    void theTextComesBackAndTheSharesAreThePapers() {
        BatchSource source = source(1_000_000, 128, 0);
        TreeMap<Integer, Integer> lengths = new TreeMap<>();
        long noise = 0;
        long all = 0;
        for (long k = 0; k < source.batchesPerEpoch(); k++) {
            Batch batch = source.batch(k);
            for (int row = 0; row < batch.rows(); row++) {
                int[] text = restored(batch, row, lengths);
                for (int i = 1; i < text.length; i++) {
                    assertEquals(10 + (text[i - 1] - 9) % 400, text[i], "tokens count up");
                }
                assertTrue(batch.lengths()[row] <= 128);
                all += text.length;
                noise += batch.lengths()[row] - ints(batch, "prefix_lengths")[row];
            }
        }
        long spans = lengths.values().stream().mapToLong(i -> i).sum();
        // Every row rounds its share to a whole number of tokens: half of one in some 100 at most.
        assertEquals(0.15, (double) (noise - spans) / all, 0.005);
        // Poisson numbers above 0; a row's last span is cut to what is left, so short ones are a little more.
        double zero = Math.exp(-3);
        double three = zero * 27 / 6 / (1 - zero);
        assertEquals(three, (double) lengths.get(3) / spans, 0.03);
        assertEquals(3 / (1 - zero), (double) (noise - spans) / spans, 0.3);
    }

    @Test
    void aLongSpanIsHalfOfTheTextOrMore() {
        BatchSource source = source(20_000, 64, 1);
        TreeMap<Integer, Integer> lengths = new TreeMap<>();
        Set<Integer> sizes = new HashSet<>();
        for (long k = 0; k < source.batchesPerEpoch(); k++) {
            Batch batch = source.batch(k);
            for (int row = 0; row < batch.rows(); row++) {
                sizes.add(restored(batch, row, lengths).length);
            }
        }
        int room = sizes.iterator().next();
        assertEquals(1, sizes.size());
        assertTrue(lengths.firstKey() >= room / 2 && lengths.lastKey() <= room, lengths::toString);
        assertTrue(lengths.lastKey() > 0.9 * room && lengths.firstKey() < 0.6 * room, lengths::toString);
    }

    @Test
    void batchesDependOnSeedAndNumberAlone() {
        Batch one = source(20_000, 64, 0.5).batch(3);
        Batch again = source(20_000, 64, 0.5).batch(3);
        assertArrayEquals(one.inputIds(), again.inputIds());
        assertArrayEquals(one.labels(), again.labels());
        assertTrue(
                !Arrays.equals(one.inputIds(), source(20_000, 64, 0.5).batch(4).inputIds()));
    }

    @Test
    void whatDoesNotFitIsRefused() {
        QuernException e = assertThrows(QuernException.class, () -> source(1000, 3, 0));
        assertTrue(e.getMessage().contains("too short to take a span out"), e.getMessage());
    }
}
