package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** The order of examples is a pure function, visits everything once an epoch, and labels are what follows. */
class OrderTest {
    private static final int VOCABULARY = 100_000;

    /** Token i is i, so that a row says where it was read. */
    private static TokenStream counting(int size, long... starts) {
        return TokenStream.of("test", IntStream.range(0, size).toArray(), starts, size, VOCABULARY);
    }

    private static BatchSource packed(TokenStream tokens, int length, int rows, long seed) {
        DataConfig config = DataConfig.files("x").withMaxLength(length);
        return new CausalLm().source(new Objective.Input(tokens, null, config, rows, seed), new CausalLm.Config());
    }

    private static BatchSource byDocument(TokenStream tokens, int length, int rows, long seed) {
        DataConfig config = DataConfig.files("x").withMaxLength(length).withPacking(false);
        return new CausalLm().source(new Objective.Input(tokens, null, config, rows, seed), new CausalLm.Config());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 2, 3, 4, 5, 7, 8, 9, 100, 1023, 1024, 1025, 70_001})
    void aPermutationIsABijection(long size) {
        Permutation permutation = new Permutation(size, 42);
        long distinct =
                LongStream.range(0, size).map(permutation::at).distinct().count();
        assertEquals(size, distinct);
        assertTrue(LongStream.range(0, size).map(permutation::at).allMatch(v -> v >= 0 && v < size));
    }

    @Test
    void permutationsDifferByKeyAndLookRandom() {
        Permutation one = new Permutation(10_000, 1);
        Permutation two = new Permutation(10_000, 2);
        long equal =
                LongStream.range(0, 10_000).filter(i -> one.at(i) == two.at(i)).count();
        assertTrue(equal < 20, "two random permutations agree in one place on average, these in " + equal);
        double mean = LongStream.range(0, 5_000).map(one::at).average().orElseThrow();
        // The mean of 5,000 draws without replacement has a standard deviation of 29.
        assertEquals(5_000, mean, 150);
        Permutation huge = new Permutation(1L << 62, 3);
        assertNotEquals(huge.at(0), huge.at(1));
        assertThrows(IndexOutOfBoundsException.class, () -> one.at(10_000));
    }

    @ParameterizedTest
    @CsvSource({"1000,16,4", "1000,16,1", "97,8,5", "17,16,3", "33,16,2", "64,64,1"})
    void everyWindowOnceAnEpochAndLabelsFollow(int spare, int length, int rows) {
        TokenStream tokens = counting(spare + length, 0);
        BatchSource source = packed(tokens, length, rows, 7);
        Set<Integer> offsets = new HashSet<>();
        for (long epoch = 0; epoch < 6; epoch++) {
            List<Integer> starts = new ArrayList<>();
            for (long i = 0; i < source.batchesPerEpoch(); i++) {
                Batch batch = source.batch(epoch * source.batchesPerEpoch() + i);
                assertEquals(batch.countedTokens(), batch.realTokens());
                for (int row = 0; row < batch.rows(); row++) {
                    starts.add(batch.inputIds()[row * length]);
                    for (int t = 0; t < length; t++) {
                        assertEquals(starts.getLast() + t, batch.inputIds()[row * length + t]);
                        assertEquals(starts.getLast() + t + 1, batch.labels()[row * length + t]);
                    }
                }
            }
            int offset = starts.stream().min(Integer::compare).orElseThrow();
            offsets.add(offset);
            assertEquals(
                    IntStream.range(0, starts.size())
                            .mapToObj(i -> offset + i * length)
                            .toList(),
                    starts.stream().sorted().toList());
            long fitting = (tokens.size() - 1) / length;
            assertTrue(starts.size() >= fitting - 1, starts.size() + " of " + fitting + " windows");
        }
        assertTrue(offsets.size() > 1 || tokens.size() < 2L * length + 1, "the offset never moved");
    }

    @Test
    void aBatchIsThatBatchWhateverCameBefore() {
        TokenStream tokens = counting(5000, 0);
        BatchSource straight = packed(tokens, 16, 4, 11);
        List<Batch> expected =
                LongStream.range(0, 200).mapToObj(straight::batch).toList();
        for (long k : new long[] {199, 0, 78, 77, 150}) {
            Batch resumed = packed(tokens, 16, 4, 11).batch(k);
            assertArrayEquals(expected.get((int) k).inputIds(), resumed.inputIds());
            assertArrayEquals(expected.get((int) k).labels(), resumed.labels());
        }
        assertFalse(Arrays.equals(
                expected.getFirst().inputIds(),
                packed(tokens, 16, 4, 12).batch(0).inputIds()));
        assertFalse(
                Arrays.equals(
                        expected.getFirst().inputIds(),
                        straight.batch(straight.batchesPerEpoch()).inputIds()),
                "epochs repeat their order");
    }

    @Test
    void aRowADocument() {
        // Documents of 3, 1, 6 and 2 tokens: the second has nothing to predict, the third is cut to 4 inputs.
        TokenStream tokens = counting(12, 0, 3, 4, 10);
        BatchSource source = byDocument(tokens, 4, 2, 5);
        assertEquals(2, source.batchesPerEpoch());
        assertEquals(
                List.of(
                        "1 of 4 documents are longer than max_length 4 and lose 1 of 12 tokens (8.3%)",
                        "1 of 4 documents are left out, since there is nothing to predict in them (fewer than 2 tokens)"),
                source.notices());
        for (long epoch = 0; epoch < 3; epoch++) {
            Set<Integer> starts = new HashSet<>();
            for (long i = 0; i < 2; i++) {
                Batch batch = source.batch(epoch * 2 + i);
                for (int row = 0; row < batch.rows(); row++) {
                    int start = batch.inputIds()[batch.start(row)];
                    starts.add(start);
                    int expected = start == 0 ? 2 : start == 4 ? 4 : 1;
                    assertEquals(expected, batch.lengths()[row]);
                    for (int t = 0; t < expected; t++) {
                        int cell = batch.start(row) + t;
                        assertEquals(start + t + 1, batch.labels()[cell]);
                        assertEquals(start + t, batch.inputIds()[cell]);
                    }
                }
                assertArrayEquals(batch.lengths(), batch.documents());
                assertEquals(batch.realTokens(), batch.inputIds().length, "padding");
            }
            assertEquals(Set.of(0, 4, 10), starts);
        }
    }

    @ParameterizedTest
    @CsvSource({"2,8,4", "9,8,4", "10,8,4", "100,8,3", "101,7,1", "64,64,2", "65,64,2"})
    void evaluationCountsEveryTargetOnce(int size, int length, int rows) {
        Windows windows = Windows.over(counting(size, 0), length, rows);
        List<Integer> targets = new ArrayList<>();
        long counted = 0;
        int batches = 0;
        for (Batch batch : windows) {
            batches++;
            counted += batch.countedTokens();
            assertEquals(batch.countedTokens(), batch.realTokens());
            for (int i = 0; i < batch.labels().length; i++) {
                if (batch.labels()[i] != Batch.NOT_COUNTED) {
                    assertEquals(batch.inputIds()[i] + 1, batch.labels()[i]);
                    targets.add(batch.labels()[i]);
                }
            }
        }
        assertEquals(IntStream.range(1, size).boxed().toList(), targets);
        assertEquals(windows.countedTokens(), counted);
        assertEquals(windows.batches(), batches);
    }

    @Test
    void tooShortTextSaysHowManyTokensAreNeeded() {
        QuernException error = assertThrows(QuernException.class, () -> packed(counting(16, 0), 16, 2, 1));
        assertEquals(ExitCode.BAD_INPUT, error.exitCode());
        assertTrue(
                error.getMessage().contains("16 tokens") && error.getMessage().contains("needs 17"),
                error.getMessage());
        assertEquals(1, packed(counting(17, 0), 16, 2, 1).batchesPerEpoch());
        assertEquals(
                ExitCode.BAD_INPUT,
                assertThrows(QuernException.class, () -> Windows.over(counting(1, 0), 4, 1))
                        .exitCode());
        assertEquals(
                ExitCode.BAD_INPUT,
                assertThrows(QuernException.class, () -> byDocument(counting(2, 0, 1), 4, 1, 1))
                        .exitCode());
    }
}
