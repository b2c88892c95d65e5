package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import quern.recipe.QuernException;

/** Rows whose prefix is given and whose rest is to be predicted. */
class PrefixLmTest {
    private static final Tokenizer CHARACTERS = Tokenizer.of(new CharacterTrainer()
            .train(List.of(new Tales(1).text(3_000)), new CharacterTrainer.Config("<unk>", 1000, List.of())));

    private static BatchSource source(
            String text, boolean packing, int length, double least, double largest, long seed) {
        DataConfig data = DataConfig.files("x").withMaxLength(length).withPacking(packing);
        Objective.Input input =
                new Objective.Input(TokenStream.of("text", text, CHARACTERS), CHARACTERS, data, 4, seed);
        return new PrefixLm().source(input, new PrefixLm.Config(least, largest));
    }

    private static int[] prefixes(Batch batch) {
        return ((Batch.Values.Ints) batch.others().get("prefix_lengths")).values();
    }

    @Test
    void everyTokenBehindThePrefixIsPredictedAndNoOther() {
        Batch batch = source(new Tales(2).text(2_000), true, 24, 0, 1, 5).batch(3);
        int[] prefixes = prefixes(batch);
        assertEquals(batch.rows(), prefixes.length);
        for (int row = 0; row < batch.rows(); row++) {
            assertTrue(prefixes[row] >= 1 && prefixes[row] <= 23, "prefix " + prefixes[row]);
            for (int i = 0; i < 24; i++) {
                int label = batch.labels()[row * 24 + i];
                boolean predicts = i >= prefixes[row] - 1 && i < 23;
                assertEquals(predicts ? batch.inputIds()[row * 24 + i + 1] : Batch.NOT_COUNTED, label);
            }
        }
    }

    @Test
    void prefixesAreDrawnAnewInEveryEpochAndAreOfTheSharesAskedFor() {
        BatchSource source = source(new Tales(2).text(4_000), true, 40, 0.25, 0.5, 5);
        Set<Integer> seen = new HashSet<>();
        for (long b = 0; b < 2 * source.batchesPerEpoch(); b++) {
            Arrays.stream(prefixes(source.batch(b))).forEach(seen::add);
        }
        assertEquals(10, seen.stream().min(Integer::compare).orElseThrow());
        assertEquals(20, seen.stream().max(Integer::compare).orElseThrow());
        long epoch = source.batchesPerEpoch();
        assertNotEquals(Arrays.toString(prefixes(source.batch(0))), Arrays.toString(prefixes(source.batch(epoch))));
        assertArrayEquals(
                prefixes(source.batch(1)),
                prefixes(
                        source(new Tales(2).text(4_000), true, 40, 0.25, 0.5, 5).batch(1)));
    }

    @Test
    void documentsOfUnevenLengthArePadded() {
        String[] words = {"ab", "abcdefgh", "a", "abcd"};
        DataConfig data = DataConfig.files("x").withMaxLength(6).withPacking(false);
        int[] tokens = CHARACTERS.encode(String.join("", words));
        long[] starts = {0, 2, 10, 11};
        TokenStream stream = TokenStream.of("documents", tokens, starts, tokens.length, CHARACTERS.vocabularySize());
        Batch batch = new PrefixLm()
                .source(new Objective.Input(stream, CHARACTERS, data, 4, 1), new PrefixLm.Config(0, 1))
                .batch(0);
        int[] lengths = batch.lengths().clone();
        Arrays.sort(lengths);
        assertArrayEquals(new int[] {1, 2, 4, 6}, lengths);
        for (int row = 0; row < 4; row++) {
            int counted = 0;
            for (int i = 0; i < 6; i++) {
                counted += batch.labels()[row * 6 + i] == Batch.NOT_COUNTED ? 0 : 1;
            }
            assertEquals(batch.lengths()[row] - prefixes(batch)[row], counted);
            assertTrue(prefixes(batch)[row] >= 1);
        }
    }

    @Test
    void whatMakesNoRowIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> new PrefixLm.Config(0.6, 0.5));
        assertThrows(QuernException.class, () -> source("abc", true, 1, 0, 1, 1));
        assertThrows(QuernException.class, () -> source("abc", true, 9, 0, 1, 1));
    }
}
