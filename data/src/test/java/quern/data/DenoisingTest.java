package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;

/** What BART's noises and UL2's denoisers make of a text, and that the text can be had back. */
class DenoisingTest {
    private static final Tokenizer TOKENIZER = new BpeTrainer()
            .train(List.of(new Tales(1).text(3_000)), new BpeTrainer.Config(420, 2, List.of("<pad>", "<|endoftext|>")))
            .tokenizer();
    private static final Tokenizer MODES = new BpeTrainer()
            .train(List.of(new Tales(1).text(3_000)), new BpeTrainer.Config(420, 2, new Ul2().specialTokens()))
            .tokenizer();
    private static final int END = TOKENIZER.endOfText().getAsInt();

    /** Five standard deviations of a binomial share: one test run in some two million fails by chance. */
    private static double bound(double p, long n) {
        return 5 * Math.sqrt(p * (1 - p) / n);
    }

    private static Objective.Input input(TokenStream tokens, Tokenizer tokenizer, int length) {
        DataConfig data = DataConfig.files("x").withMaxLength(length).withPacking(true);
        return new Objective.Input(tokens, tokenizer, data, 16, 7);
    }

    /** Ordinary tokens that count up, so that a row says what is missing. */
    private static TokenStream counting(int size) {
        int[] tokens = IntStream.range(0, size).map(i -> 10 + i % 400).toArray();
        return TokenStream.of("test", tokens, new long[] {0}, size, TOKENIZER.vocabularySize());
    }

    private static int[] source(Batch batch, int row) {
        return Arrays.copyOfRange(
                batch.inputIds(), row * batch.columns(), row * batch.columns() + batch.lengths()[row]);
    }

    private static int[] target(Batch batch, int row) {
        int columns = batch.labels().length / batch.rows();
        return Arrays.stream(batch.labels(), row * columns, (row + 1) * columns)
                .filter(id -> id != Batch.NOT_COUNTED)
                .toArray();
    }

    private static int[] bare(int[] framed) {
        assertEquals(END, framed[framed.length - 1]);
        return Arrays.copyOf(framed, framed.length - 1);
    }

    @Test
    void deletionTakesItsShareAndLeavesTheRestInOrder() {
        BatchSource batches =
                new TokenDeletion().source(input(counting(1_000_000), TOKENIZER, 101), new TokenDeletion.Config(0.15));
        long text = 0;
        long kept = 0;
        for (long b = 0; b < batches.batchesPerEpoch(); b++) {
            Batch batch = batches.batch(b);
            for (int r = 0; r < batch.rows(); r++) {
                int[] source = bare(source(batch, r));
                int[] target = bare(target(batch, r));
                text += target.length;
                kept += source.length;
                int at = 0;
                for (int id : target) {
                    at += at < source.length && source[at] == id ? 1 : 0;
                }
                assertEquals(source.length, at, "what is left keeps its order");
            }
        }
        assertTrue(text > 990_000, "nearly every token is in a row: " + text);
        assertEquals(0.85, (double) kept / text, bound(0.15, text));
    }

    @Test
    void rotationBeginsAtAnyTokenAndTurnsBack() {
        BatchSource batches =
                new DocumentRotation().source(input(counting(200_000), TOKENIZER, 101), new DocumentRotation.Config());
        int[] begun = new int[100];
        int rows = 0;
        for (long b = 0; b < batches.batchesPerEpoch(); b++) {
            Batch batch = batches.batch(b);
            for (int r = 0; r < batch.rows(); r++, rows++) {
                int[] source = bare(source(batch, r));
                int[] target = bare(target(batch, r));
                // All tokens of a window of 100 differ.
                int first = IntStream.range(0, 100)
                        .filter(i -> target[i] == source[0])
                        .findFirst()
                        .orElseThrow();
                begun[first]++;
                int[] back = IntStream.range(0, 100)
                        .map(i -> source[Math.floorMod(i - first, 100)])
                        .toArray();
                assertArrayEquals(target, back);
            }
        }
        for (int count : begun) {
            assertEquals(0.01, (double) count / rows, bound(0.01, rows));
        }
    }

    @Test
    void permutedSentencesAreThoseOfTheText() {
        String text = new Tales(2).text(20_000);
        BatchSource batches = new SentencePermutation()
                .source(
                        input(TokenStream.of("tales", text, TOKENIZER), TOKENIZER, 121),
                        new SentencePermutation.Config());
        int moved = 0;
        for (long b = 0; b < batches.batchesPerEpoch(); b++) {
            Batch batch = batches.batch(b);
            for (int r = 0; r < batch.rows(); r++) {
                int[] source = bare(source(batch, r));
                int[] target = bare(target(batch, r));
                List<String> sentences = sentences(target);
                if (sentences.size() > 1) {
                    // The last sentence of a row may be cut, and then has no end when it stands elsewhere.
                    String mixed = TOKENIZER.decode(source);
                    assertEquals(target.length, source.length);
                    sentences.forEach(s -> assertTrue(mixed.contains(s), "'%s' in '%s'".formatted(s, mixed)));
                    moved += Arrays.equals(source, target) ? 0 : 1;
                }
            }
        }
        assertTrue(moved > 50, "most rows are in another order: " + moved);
    }

    private static List<String> sentences(int[] text) {
        return Stream.of(TOKENIZER.decode(text).split("[.!?\n]"))
                .map(s -> s.replaceAll("^[\"' ]+", ""))
                .toList();
    }

    @Test
    void anEmptyTextStaysEmpty() {
        TokenStream tokens =
                TokenStream.of("test", new int[] {END, 20, 21, END}, new long[] {0, 1}, 4, TOKENIZER.vocabularySize());
        DataConfig data = DataConfig.files("x").withMaxLength(8).withPacking(false);
        Objective.Input input = new Objective.Input(tokens, TOKENIZER, data, 2, 7);
        for (Denoising objective : List.of(new TokenDeletion(), new SentencePermutation(), new DocumentRotation())) {
            Record config = Block.empty(Position.of("test")).bind(objective.config());
            Batch batch = objective.source(input, config).batch(0);
            assertEquals(2, batch.rows(), objective.id());
            assertEquals(1, Arrays.stream(batch.lengths()).min().getAsInt(), "the end alone");
        }
    }

    @Test
    void denoisersTellTheirModeAndGiveTheTextBack() {
        String text = new Tales(2).text(60_000);
        Ul2.Config config = (Ul2.Config) Block.empty(Position.of("test")).bind(new Ul2().config());
        assertEquals(7, config.denoisers().size());
        int length = 130;
        BatchSource batches = new Ul2().source(input(TokenStream.of("tales", text, MODES), MODES, length), config);
        int room = length - 2;
        int first = MODES.id("<extra_id_0>");
        int rows = 0;
        int[] seen = new int[3];
        for (long b = 0; b < batches.batchesPerEpoch(); b++) {
            Batch batch = batches.batch(b);
            for (int r = 0; r < batch.rows(); r++, rows++) {
                int[] source = source(batch, r);
                int[] target = target(batch, r);
                assertTrue(source.length <= length);
                int mode = List.of(MODES.id("[R]"), MODES.id("[S]"), MODES.id("[X]"))
                        .indexOf(source[0]);
                seen[mode]++;
                int sentinels = (int) Arrays.stream(source)
                        .filter(id -> id >= first && id < first + 100)
                        .count();
                int lost = target.length - sentinels - 1;
                double share = (double) lost / (lost + source.length - sentinels - 2);
                switch (mode) {
                    case 0 -> assertEquals(0.15, share, 0.02);
                    case 1 -> {
                        assertEquals(1, sentinels);
                        assertEquals(first, source[source.length - 2], "the end of the text is what is missing");
                        assertEquals(0.25, share, 0.02);
                    }
                    default -> assertTrue(Math.abs(share - 0.5) < 0.02 || Math.abs(share - 0.15) < 0.02, "" + share);
                }
                assertEquals(room, restored(source, target, first).size(), 1);
            }
        }
        // Two, one and four of seven kinds.
        assertEquals(2 / 7.0, (double) seen[0] / rows, bound(2 / 7.0, rows));
        assertEquals(1 / 7.0, (double) seen[1] / rows, bound(1 / 7.0, rows));
    }

    private static List<Integer> restored(int[] source, int[] target, int first) {
        List<Integer> text = new ArrayList<>();
        for (int i = 1; i < source.length - 1; i++) {
            int id = source[i];
            if (id < first || id >= first + 100) {
                text.add(id);
                continue;
            }
            int at = IntStream.range(0, target.length)
                    .filter(j -> target[j] == id)
                    .findFirst()
                    .orElseThrow();
            for (int j = at + 1; j < target.length - 1 && (target[j] < first || target[j] >= first + 100); j++) {
                text.add(target[j]);
            }
        }
        return text;
    }

    @Test
    void denoisersThatMakeNoSenseAreRefused() {
        Objective.Input plain = input(counting(2_000), TOKENIZER, 101);
        Ul2.Config usual = (Ul2.Config) Block.empty(Position.of("test")).bind(new Ul2().config());
        assertTrue(assertThrows(QuernException.class, () -> new Ul2().source(plain, usual))
                .getMessage()
                .contains("no token [R]"));
        assertTrue(
                assertThrows(IllegalArgumentException.class, () -> new Ul2.Denoiser(Ul2.Mode.S, 0.25, Optional.of(3.0)))
                        .getMessage()
                        .contains("one span off the end"));
        assertThrows(IllegalArgumentException.class, () -> new Ul2.Config(List.of(), true));
    }

    @Test
    void anotherSeedSpoilsOtherwise() {
        Objective.Input one = input(counting(5_000), TOKENIZER, 101);
        Objective.Input other = new Objective.Input(one.tokens(), TOKENIZER, one.data(), 16, 8);
        TokenDeletion.Config config = new TokenDeletion.Config(0.15);
        int[] first = new TokenDeletion().source(one, config).batch(0).inputIds();
        assertArrayEquals(
                first, new TokenDeletion().source(one, config).batch(0).inputIds());
        assertNotEquals(
                Arrays.toString(first),
                Arrays.toString(
                        new TokenDeletion().source(other, config).batch(0).inputIds()));
    }
}
