package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What documents begin with, standing once. */
class SharedPrefixesTest {
    private static final int NONE = Batch.NOT_COUNTED;

    /** A document's tokens, of which the first are a prompt's; every label is the token after. */
    private record Row(int[] tokens, int prompt) {}

    private static Row row(int prompt, int... tokens) {
        return new Row(tokens, prompt);
    }

    private static Batch batch(List<Row> rows) {
        List<Integer> ids = new ArrayList<>();
        List<Integer> labels = new ArrayList<>();
        int[] lengths = new int[rows.size()];
        for (int r = 0; r < rows.size(); r++) {
            int[] tokens = rows.get(r).tokens;
            lengths[r] = tokens.length - 1;
            for (int i = 0; i < lengths[r]; i++) {
                ids.add(tokens[i]);
                labels.add(i + 1 < rows.get(r).prompt ? NONE : tokens[i + 1]);
            }
        }
        return Batch.unpadded(
                ids.stream().mapToInt(i -> i).toArray(),
                labels.stream().mapToInt(i -> i).toArray(),
                lengths,
                lengths);
    }

    private static int[] joined(int[] a, int... b) {
        int[] all = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }

    /** The batch's places that a piece sees, those that it goes on from first. */
    private static int[] seen(SharedPrefixes shared, int piece) {
        int[] own = Arrays.copyOfRange(shared.tokens(), shared.starts()[piece], shared.starts()[piece + 1]);
        return shared.before()[piece] < 0 ? own : joined(seen(shared, shared.before()[piece]), own);
    }

    /** Every document is what one leaf sees, and every place with a label stands exactly once. */
    private static void assertWhole(Batch batch, SharedPrefixes shared) {
        List<int[]> found = new ArrayList<>();
        for (int piece = 0; piece < shared.before().length; piece++) {
            int number = piece;
            assertTrue(shared.before()[piece] < piece);
            if (IntStream.of(shared.before()).noneMatch(b -> b == number)) {
                found.add(IntStream.of(seen(shared, piece))
                        .map(i -> batch.inputIds()[i])
                        .toArray());
            }
        }
        List<int[]> expected = new ArrayList<>();
        int at = 0;
        for (int length : batch.documents()) {
            expected.add(Arrays.copyOfRange(batch.inputIds(), at, at + length));
            at += length;
        }
        found.sort(Arrays::compare);
        expected.sort(Arrays::compare);
        assertEquals(expected.size(), found.size());
        for (int i = 0; i < found.size(); i++) {
            assertArrayEquals(expected.get(i), found.get(i));
        }
        int[] counted = IntStream.range(0, batch.labels().length)
                .filter(i -> batch.labels()[i] != NONE)
                .toArray();
        assertArrayEquals(
                counted,
                IntStream.of(shared.tokens())
                        .filter(i -> batch.labels()[i] != NONE)
                        .sorted()
                        .toArray());
    }

    @Test
    void aTemplateStandsOnceAndItsVariantsBranch() {
        int[] template = IntStream.range(100, 120).toArray();
        int[] longer = joined(template, IntStream.range(200, 210).toArray());
        Batch batch = batch(List.of(
                new Row(joined(longer, 1, 2, 3), 31),
                new Row(joined(template, 4, 5, 6, 7), 22),
                new Row(joined(longer, 8, 9), 31),
                new Row(joined(longer, 1, 2, 4), 31)));
        SharedPrefixes shared = SharedPrefixes.of(batch).orElseThrow();
        assertWhole(batch, shared);
        assertArrayEquals(new int[] {-1, 0, 0, 2, 2, 2}, shared.before());
        assertEquals(20 + 10 + 3 + 2 + 1 + 2, shared.tokens().length);
    }

    /** The last token of a prompt has the answer's first as its target, so it is never shared. */
    @Test
    void tokensWithTargetsStandAsOftenAsThereAreDocuments() {
        int[] prompt = IntStream.range(100, 120).toArray();
        Batch batch = batch(List.of(
                new Row(joined(prompt, 1, 2), 20),
                new Row(joined(prompt, 1, 3), 20),
                new Row(joined(prompt, 1, 2), 20)));
        SharedPrefixes shared = SharedPrefixes.of(batch).orElseThrow();
        assertWhole(batch, shared);
        assertEquals(19 + 3 * 2, shared.tokens().length);
    }

    @Test
    void nothingIsSharedWhereThereIsTooLittle() {
        int[] few = IntStream.range(100, 100 + SharedPrefixes.SHORTEST - 1).toArray();
        assertTrue(SharedPrefixes.of(batch(List.of(new Row(joined(few, 1, 2), 7), new Row(joined(few, 3, 4), 7))))
                .isEmpty());
        assertTrue(SharedPrefixes.of(batch(List.of(row(3, 1, 2, 3, 4)))).isEmpty());
        int[] text = IntStream.range(0, 30).toArray();
        assertTrue(SharedPrefixes.of(batch(List.of(new Row(text, 0), new Row(text, 0))))
                .isEmpty());
        Batch padded = new Batch(2, 2, new int[4], new int[4], new int[] {2, 2});
        assertTrue(SharedPrefixes.of(padded).isEmpty());
    }

    /** Documents without any answer, and such as are another's beginning. */
    @Test
    void aDocumentKeepsATokenOfItsOwn() {
        int[] prompt = IntStream.range(100, 120).toArray();
        Batch batch = batch(List.of(
                new Row(prompt, 40), new Row(joined(prompt, 1, 2, 3), 40), new Row(prompt, 40), new Row(prompt, 20)));
        SharedPrefixes shared = SharedPrefixes.of(batch).orElseThrow();
        assertWhole(batch, shared);
        assertEquals(
                4,
                IntStream.range(0, shared.before().length)
                        .filter(p -> IntStream.of(shared.before()).noneMatch(b -> b == p))
                        .count());
    }

    @Test
    void drawnBatchesStayWhole() {
        Random random = new Random(3);
        int found = 0;
        for (int round = 0; round < 300; round++) {
            List<Row> rows = new ArrayList<>();
            int count = 1 + random.nextInt(12);
            for (int r = 0; r < count; r++) {
                // Two letters in runs, so that beginnings of all lengths are common.
                int length = 3 + random.nextInt(60);
                int[] tokens = new int[length];
                for (int i = 1; i < length; i++) {
                    tokens[i] = random.nextInt(20) == 0 ? 1 - tokens[i - 1] : tokens[i - 1];
                }
                rows.add(new Row(tokens, random.nextInt(length)));
            }
            Batch batch = batch(rows);
            var shared = SharedPrefixes.of(batch);
            if (shared.isPresent()) {
                found++;
                assertWhole(batch, shared.get());
            }
        }
        assertTrue(found > 100, found + " batches shared something");
    }
}
