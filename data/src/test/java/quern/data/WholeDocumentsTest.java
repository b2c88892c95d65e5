package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** Rows of whole prompts and answers: every document once an epoch, only answers count, a pure order, no padding. */
class WholeDocumentsTest {
    /** Token i of document d is 1000·d + i; the prompt is the first {@code prompts[d]} tokens. */
    private static TokenStream stream(int[] sizes, int[] prompts) {
        int[] tokens = new int[Arrays.stream(sizes).sum()];
        long[] starts = new long[sizes.length];
        long[] answers = new long[sizes.length];
        int at = 0;
        for (int d = 0; d < sizes.length; d++) {
            starts[d] = at;
            answers[d] = at + prompts[d];
            for (int i = 0; i < sizes[d]; i++) {
                tokens[at++] = 1000 * d + i;
            }
        }
        return TokenStream.ofAnswers("test", tokens, starts, answers, tokens.length, 1 << 24);
    }

    /** {@code count} documents of 3 to {@code most} tokens with an answer of at least one. */
    private static TokenStream stream(int count, int most, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        int[] sizes = new int[count];
        int[] prompts = new int[count];
        for (int i = 0; i < count; i++) {
            sizes[i] = random.nextInt(3, most + 1);
            prompts[i] = random.nextInt(1, sizes[i]);
        }
        return stream(sizes, prompts);
    }

    private static BatchSource source(TokenStream tokens, int length, int rows, boolean packing, long seed) {
        return source(tokens, length, rows, packing, seed, OnTooLong.TRUNCATE);
    }

    private static BatchSource source(
            TokenStream tokens, int length, int rows, boolean packing, long seed, OnTooLong onTooLong) {
        DataConfig config =
                DataConfig.files("x").withMaxLength(length).withPacking(packing).withOnTooLong(onTooLong);
        return new CausalLm().source(new Objective.Input(tokens, null, config, rows, seed), new CausalLm.Config());
    }

    private static List<int[]> documents(Batch batch) {
        List<int[]> all = new ArrayList<>();
        int at = 0;
        for (int length : batch.documents()) {
            all.add(Arrays.copyOfRange(batch.inputIds(), at, at + length));
            at += length;
        }
        return all;
    }

    @ParameterizedTest
    @CsvSource({"3000,40,60,4,true", "3000,40,60,4,false", "1,9,8,1,true", "7,20,64,16,true", "7,20,64,16,false"})
    void everyDocumentOnceAnEpochAndOnlyAnswersCount(int count, int most, int length, int rows, boolean packing) {
        TokenStream tokens = stream(count, most, 5);
        BatchSource source = source(tokens, length, rows, packing, 9);
        List<Integer> firstOrder = new ArrayList<>();
        for (long epoch = 0; epoch < 3; epoch++) {
            List<Integer> order = new ArrayList<>();
            for (long k = 0; k < source.batchesPerEpoch(); k++) {
                Batch batch = source.batch(epoch * source.batchesPerEpoch() + k);
                assertTrue(batch.isUnpadded());
                assertEquals(batch.inputIds().length, batch.realTokens());
                assertTrue(Arrays.stream(batch.lengths()).allMatch(n -> n <= length), "a row is too long");
                int at = 0;
                for (int[] ids : documents(batch)) {
                    int d = ids[0] / 1000;
                    order.add(d);
                    long size = tokens.documentStart(d + 1L) - tokens.documentStart(d);
                    long prompt = tokens.answerStart(d) - tokens.documentStart(d);
                    assertEquals(size - 1, ids.length);
                    for (int i = 0; i < ids.length; i++, at++) {
                        assertEquals(1000 * d + i, ids[i]);
                        assertEquals(i + 1 >= prompt ? 1000 * d + i + 1 : Batch.NOT_COUNTED, batch.labels()[at]);
                    }
                }
            }
            assertEquals(count, new HashSet<>(order).size());
            assertEquals(count, order.size());
            if (epoch == 0) {
                firstOrder.addAll(order);
            } else {
                assertTrue(count < 5 || !order.equals(firstOrder), "epochs repeat their order");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aBatchIsThatBatchWhateverCameBefore(boolean packing) {
        TokenStream tokens = stream(2500, 30, 3);
        BatchSource straight = source(tokens, 64, 3, packing, 4);
        List<Batch> expected = new ArrayList<>();
        for (long k = 0; k < 2 * straight.batchesPerEpoch(); k++) {
            expected.add(straight.batch(k));
        }
        for (long k : new long[] {expected.size() - 1, 0, straight.batchesPerEpoch(), 17, 5}) {
            Batch resumed = source(tokens, 64, 3, packing, 4).batch(k);
            assertArrayEquals(expected.get((int) k).inputIds(), resumed.inputIds());
            assertArrayEquals(expected.get((int) k).labels(), resumed.labels());
            assertArrayEquals(expected.get((int) k).documents(), resumed.documents());
        }
        assertFalse(Arrays.equals(
                expected.getFirst().inputIds(),
                source(tokens, 64, 3, packing, 5).batch(0).inputIds()));
    }

    /** 3000 documents of 15 tokens on average leave under 2% of their rows empty. */
    @Test
    void packedRowsAreFull() {
        TokenStream tokens = stream(3000, 28, 8);
        BatchSource source = source(tokens, 64, 8, true, 1);
        long inputs = 0;
        long rows = 0;
        for (long k = 0; k < source.batchesPerEpoch(); k++) {
            Batch batch = source.batch(k);
            inputs += batch.realTokens();
            rows += batch.rows();
        }
        assertTrue(inputs >= 0.98 * rows * 64, inputs + " tokens in " + rows + " rows");
    }

    @Test
    void documentsThatAreTooLong() {
        // Inputs 4, 9 with a prompt of 3, 9 whose prompt alone fills the row, 5.
        TokenStream tokens = stream(new int[] {5, 10, 10, 6}, new int[] {2, 3, 8, 4});
        for (boolean packing : new boolean[] {true, false}) {
            BatchSource cut = source(tokens, 5, 8, packing, 1, OnTooLong.TRUNCATE);
            Set<Integer> lengths = new HashSet<>();
            Set<Integer> seen = new HashSet<>();
            for (int[] ids : documents(cut.batch(0))) {
                lengths.add(ids.length);
                seen.add(ids[0] / 1000);
            }
            assertEquals(Set.of(0, 1, 3), seen);
            assertEquals(Set.of(4, 5), lengths);
            assertEquals(
                    List.of(
                            "2 of 4 documents are longer than max_length 5 and lose 14 of 31 tokens (45.2%)",
                            "1 of 4 documents are left out, since their prompt alone fills max_length 5"),
                    cut.notices());
            BatchSource dropped = source(tokens, 5, 8, packing, 1, OnTooLong.DROP);
            assertEquals(
                    Set.of(0, 3),
                    new HashSet<>(documents(dropped.batch(0)).stream()
                            .map(ids -> ids[0] / 1000)
                            .toList()));
            assertEquals(List.of("2 of 4 documents are longer than max_length 5 and are left out"), dropped.notices());
            QuernException refused =
                    assertThrows(QuernException.class, () -> source(tokens, 5, 8, packing, 1, OnTooLong.ERROR));
            assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
            assertTrue(
                    refused.getMessage().startsWith("document 2 of the test: 10 tokens, more than max_length 5"),
                    refused.getMessage());
            assertEquals(
                    List.of(), source(tokens, 9, 8, packing, 1, OnTooLong.ERROR).notices());
        }
        assertThrows(QuernException.class, () -> source(tokens, 1, 8, true, 1, OnTooLong.DROP));
    }

    /** Every target that counts is that of one piece, behind the token before it; pieces that are all prompt are left out. */
    @Test
    void documentsThatAreTooLongAreSplit() {
        // Inputs 4, 9 with a prompt of 3, 11 whose first piece is all prompt, 5.
        TokenStream tokens = stream(new int[] {5, 10, 12, 6}, new int[] {2, 3, 8, 4});
        for (boolean packing : new boolean[] {true, false}) {
            BatchSource split = source(tokens, 5, 16, packing, 1, OnTooLong.SPLIT);
            assertEquals(1, split.batchesPerEpoch());
            Batch batch = split.batch(0);
            Set<Integer> targets = new HashSet<>();
            for (int i = 0; i < batch.labels().length; i++) {
                if (batch.labels()[i] != Batch.NOT_COUNTED) {
                    assertTrue(targets.add(batch.labels()[i]), "counted twice: " + batch.labels()[i]);
                    assertEquals(batch.inputIds()[i] + 1, batch.labels()[i]);
                }
            }
            Set<Integer> wanted = new HashSet<>();
            for (int[] document : new int[][] {{0, 2, 5}, {1, 3, 10}, {2, 8, 12}, {3, 4, 6}}) {
                for (int i = document[1]; i < document[2]; i++) {
                    wanted.add(1000 * document[0] + i);
                }
            }
            assertEquals(wanted, targets);
            assertEquals(
                    Set.of("4 from 0", "5 from 1000", "4 from 1005", "5 from 2005", "1 from 2010", "5 from 3000"),
                    new HashSet<>(documents(batch).stream()
                            .map(ids -> ids.length + " from " + ids[0])
                            .toList()));
            assertEquals(
                    List.of(
                            "2 of 4 documents are longer than max_length 5 and are split into 4",
                            "1 more pieces are left out, since they are all prompt"),
                    split.notices());
        }
    }

    @Test
    void documentsWithNothingToPredictAreTold() {
        TokenStream texts = TokenStream.of("test", new int[] {1, 2, 3, 4, 5}, new long[] {0, 1, 4}, 5, 10);
        assertEquals(
                List.of(
                        "2 of 3 documents are left out, since there is nothing to predict in them (fewer than 2 tokens)"),
                source(texts, 5, 8, false, 1).notices());
        assertEquals(
                List.of("1 of 2 documents are left out, since there is nothing to predict in them (no answer)"),
                source(stream(new int[] {4, 5}, new int[] {4, 2}), 5, 8, true, 1)
                        .notices());
    }

    @Test
    void unpaddedBatchesAreChecked() {
        int[] six = new int[6];
        assertEquals(
                6,
                Batch.unpadded(six, six, new int[] {4, 2}, new int[] {1, 3, 2}).realTokens());
        for (int[][] wrong : new int[][][] {
            {{4, 2}, {3, 3}}, {{4, 2}, {4}}, {{4, 2}, {4, 2, 1}}, {{4, 1}, {4, 1}}, {{4, 2}, {4, 0, 2}}
        }) {
            assertThrows(
                    IllegalArgumentException.class,
                    () -> Batch.unpadded(six, six, wrong[0], wrong[1]),
                    Arrays.deepToString(wrong));
        }
    }
}
