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
import org.junit.jupiter.api.Test;
import quern.recipe.QuernException;

/** Rows of hidden tokens and of pairs of texts. */
class MaskedLmTest {
    private static final Tokenizer TOKENIZER = new BpeTrainer()
            .train(
                    List.of(new Tales(5).text(20_000)),
                    new BpeTrainer.Config(600, 2, List.of("[PAD]", "[CLS]", "[SEP]", "[MASK]", "<|endoftext|>")))
            .tokenizer();
    private static final int PAD = TOKENIZER.id("[PAD]");
    private static final int CLS = TOKENIZER.id("[CLS]");
    private static final int SEP = TOKENIZER.id("[SEP]");
    private static final int MASK = TOKENIZER.id("[MASK]");

    /** Documents of ordinary tokens, each its own number repeated, so that a row says where it is from. */
    private static TokenStream documents(int... sizes) {
        long[] starts = new long[sizes.length];
        int total = Arrays.stream(sizes).sum();
        int[] tokens = new int[total];
        int at = 0;
        for (int i = 0; i < sizes.length; i++) {
            starts[i] = at;
            Arrays.fill(tokens, at, at + sizes[i], 100 + i);
            at += sizes[i];
        }
        return TokenStream.of("test", tokens, starts, total, TOKENIZER.vocabularySize());
    }

    /** Ordinary tokens that count up, wrapping. */
    private static TokenStream counting(int size) {
        int[] tokens = IntStream.range(0, size).map(i -> 10 + i % 500).toArray();
        return TokenStream.of("test", tokens, new long[] {0}, size, TOKENIZER.vocabularySize());
    }

    private static Objective.Input input(TokenStream tokens, int length, boolean packing, long seed) {
        DataConfig data = DataConfig.files("x").withMaxLength(length).withPacking(packing);
        return new Objective.Input(tokens, TOKENIZER, data, 8, seed);
    }

    private static BatchSource masked(TokenStream tokens, int length, boolean packing, long seed) {
        return new MaskedLm().source(input(tokens, length, packing, seed), MaskedLm.Config.defaults());
    }

    /** What a row was before tokens were hidden. */
    private static int[] restored(Batch batch, int row) {
        int columns = batch.columns();
        return IntStream.range(row * columns, (row + 1) * columns)
                .map(i -> batch.labels()[i] == Batch.NOT_COUNTED ? batch.inputIds()[i] : batch.labels()[i])
                .toArray();
    }

    @Test
    void sharesAreAsTheyAreSet() {
        BatchSource source = masked(counting(1_000_000), 66, true, 1);
        long text = 0;
        long hidden = 0;
        long mask = 0;
        long same = 0;
        for (long i = 0; i < source.batchesPerEpoch(); i++) {
            Batch batch = source.batch(i);
            for (int j = 0; j < batch.labels().length; j++) {
                int id = batch.inputIds()[j];
                int label = batch.labels()[j];
                text += id == CLS || id == SEP ? 0 : 1;
                if (label != Batch.NOT_COUNTED) {
                    hidden++;
                    mask += id == MASK ? 1 : 0;
                    same += id == label ? 1 : 0;
                } else {
                    assertNotEquals(MASK, id);
                }
            }
        }
        // A million draws at 0.15 and 150,000 at 0.8 and 0.1: five standard deviations are 0.0018, 0.0052 and 0.0039. A
        // drawn token is the hidden one itself in one of some 600 cases of the last tenth.
        assertEquals(0.15, (double) hidden / text, 0.0018);
        assertEquals(0.8, (double) mask / hidden, 0.0052);
        assertEquals(0.1, (double) same / hidden, 0.0041);
    }

    @Test
    void windowsAreFramedAndEveryOneComesOnce() {
        BatchSource source = masked(counting(1_000), 22, true, 3);
        Set<Integer> starts = new HashSet<>();
        int rows = 0;
        for (long i = 0; i < source.batchesPerEpoch(); i++) {
            Batch batch = source.batch(i);
            assertTrue(batch.others().isEmpty(), "no row is padded");
            for (int row = 0; row < batch.rows(); row++) {
                int[] ids = restored(batch, row);
                assertEquals(CLS, ids[0]);
                assertEquals(SEP, ids[21]);
                for (int t = 2; t < 21; t++) {
                    assertEquals(10 + (ids[t - 1] - 10 + 1) % 500, ids[t], "the text goes on");
                }
                starts.add(ids[1] + 1_000 * (rows++ / 25));
            }
        }
        assertEquals(50, rows);
        assertTrue(starts.size() >= 25, "the stream's 500 ids repeat once");
    }

    @Test
    void aBatchDependsOnItsNumberAlone() {
        TokenStream tokens = counting(2_000);
        BatchSource a = masked(tokens, 32, true, 4);
        BatchSource b = masked(tokens, 32, true, 4);
        Batch late = b.batch(9);
        a.batch(0);
        assertArrayEquals(late.inputIds(), a.batch(9).inputIds());
        assertArrayEquals(late.labels(), a.batch(9).labels());
        assertFalse(
                Arrays.equals(
                        late.labels(), masked(tokens, 32, true, 5).batch(9).labels()),
                "another seed");
        long epoch = a.batchesPerEpoch();
        assertFalse(Arrays.equals(a.batch(0).labels(), a.batch(epoch).labels()), "another epoch");
    }

    @Test
    void documentsAreCutAndPadded() {
        BatchSource source = masked(documents(3, 40, 1, 12), 16, false, 2);
        assertEquals(1, source.batchesPerEpoch());
        Batch batch = source.batch(0);
        assertEquals(4, batch.rows());
        assertEquals(16, batch.columns());
        List<Integer> lengths = new ArrayList<>();
        int[] mask = ((Batch.Values.Ints) batch.others().get("attention_mask")).values();
        for (int row = 0; row < 4; row++) {
            int[] ids = restored(batch, row);
            int length = batch.lengths()[row];
            lengths.add(length);
            assertEquals(CLS, ids[0]);
            assertEquals(SEP, ids[length - 1]);
            for (int t = 0; t < 16; t++) {
                assertEquals(t < length ? 1 : 0, mask[row * 16 + t]);
                if (t >= length) {
                    assertEquals(PAD, ids[t]);
                    assertEquals(Batch.NOT_COUNTED, batch.labels()[row * 16 + t]);
                }
            }
            assertTrue(
                    Arrays.stream(batch.labels(), row * 16, row * 16 + 16).anyMatch(l -> l != Batch.NOT_COUNTED),
                    "the shortest row, too, has a token to predict");
        }
        assertEquals(Set.of(5, 16, 3, 14), new HashSet<>(lengths));
        assertTrue(
                source.notices().getFirst().contains("1 of 4 documents"),
                source.notices().toString());
    }

    private static BatchSource masked(TokenStream tokens, MaskedLm.Masking masking) {
        return new MaskedLm().source(input(tokens, 66, true, 1), new MaskedLm.Config(0.15, 0.8, 0.1, masking));
    }

    /** Whether a token's text goes on with the word of the one before it. */
    private static boolean continues(int before, int id) {
        String left = TOKENIZER.decode(new int[] {before});
        String right = TOKENIZER.decode(new int[] {id});
        return Character.isLetter(left.charAt(left.length() - 1)) && Character.isLetter(right.charAt(0));
    }

    @Test
    void wholeWordsAreHiddenOrNone() {
        TokenStream tokens = TokenStream.of("tales", new Tales(6).text(400_000), TOKENIZER);
        BatchSource source = masked(tokens, MaskedLm.Masking.WHOLE_WORD);
        long hidden = 0;
        long text = 0;
        long joined = 0;
        for (long i = 0; i < source.batchesPerEpoch(); i++) {
            Batch batch = source.batch(i);
            for (int row = 0; row < batch.rows(); row++) {
                int[] ids = restored(batch, row);
                for (int t = 1; t < ids.length - 1; t++) {
                    boolean isHidden = batch.labels()[row * ids.length + t] != Batch.NOT_COUNTED;
                    hidden += isHidden ? 1 : 0;
                    text++;
                    if (t > 1 && continues(ids[t - 1], ids[t])) {
                        joined++;
                        assertEquals(
                                batch.labels()[row * ids.length + t - 1] != Batch.NOT_COUNTED,
                                isHidden,
                                "parts of a word share its fate");
                    }
                }
            }
        }
        assertTrue(joined > 1_000, "words of several tokens: " + joined);
        // Words of up to five tokens: five standard deviations of their number are below 0.01 of 100,000 tokens.
        assertEquals(0.15, (double) hidden / text, 0.01);
    }

    @Test
    void spansOfWordsReachTheShareTogether() {
        TokenStream tokens = TokenStream.of("tales", new Tales(6).text(400_000), TOKENIZER);
        BatchSource source = masked(tokens, MaskedLm.Masking.SPAN);
        long spans = 0;
        long hidden = 0;
        long rows = 0;
        for (long i = 0; i < source.batchesPerEpoch(); i++) {
            Batch batch = source.batch(i);
            for (int row = 0; row < batch.rows(); row++, rows++) {
                boolean inside = false;
                int whole = 0;
                int masks = 0;
                for (int t = 0; t < batch.columns(); t++) {
                    boolean isHidden = batch.labels()[row * batch.columns() + t] != Batch.NOT_COUNTED;
                    if (isHidden) {
                        whole++;
                        masks += batch.inputIds()[row * batch.columns() + t] == MASK ? 1 : 0;
                        spans += inside ? 0 : 1;
                    }
                    inside = isHidden;
                }
                hidden += whole;
            }
        }
        // 64 tokens: 10 of them in every row, but for rows where spans find no room.
        assertEquals(10, (double) hidden / rows, 0.1);
        assertTrue((double) hidden / spans > 2.5, "spans are long: " + (double) hidden / spans);
    }

    @Test
    void textsChangePlacesInHalfOfTheRows() {
        BatchSource source =
                new SentenceOrder().source(input(counting(40_000), 24, true, 6), MaskedLm.Config.defaults());
        int swapped = 0;
        int rows = 0;
        for (long i = 0; i < source.batchesPerEpoch(); i++) {
            Batch batch = source.batch(i);
            int[] next = ((Batch.Values.Ints) batch.others().get("next_sentence_label")).values();
            for (int row = 0; row < batch.rows(); row++, rows++) {
                int[] ids = restored(batch, row);
                int middle = 1;
                while (ids[middle] != SEP) {
                    middle++;
                }
                int last = batch.lengths()[row] - 2;
                boolean inOrder = (ids[middle - 1] - 10 + 1) % 500 == ids[middle + 1] - 10;
                boolean inOtherOrder = (ids[last] - 10 + 1) % 500 == ids[1] - 10;
                assertEquals(next[row] == 1, inOtherOrder);
                assertEquals(next[row] == 0, inOrder);
                swapped += next[row];
            }
        }
        // Some 1,900 coins: five standard deviations are 0.06.
        assertEquals(0.5, (double) swapped / rows, 0.06);
    }

    @Test
    void pairsFollowOrAreFromElsewhere() {
        int[] sizes = IntStream.range(0, 60).map(i -> 20 + i % 30).toArray();
        BatchSource source =
                new NextSentence().source(input(documents(sizes), 24, true, 6), MaskedLm.Config.defaults());
        int follows = 0;
        int rows = 0;
        for (long i = 0; i < source.batchesPerEpoch(); i++) {
            Batch batch = source.batch(i);
            int[] types = ((Batch.Values.Ints) batch.others().get("token_type_ids")).values();
            int[] next = ((Batch.Values.Ints) batch.others().get("next_sentence_label")).values();
            for (int row = 0; row < batch.rows(); row++) {
                int[] ids = restored(batch, row);
                int length = batch.lengths()[row];
                assertEquals(CLS, ids[0]);
                assertEquals(SEP, ids[length - 1]);
                int middle = 1;
                while (ids[middle] != SEP) {
                    middle++;
                }
                for (int t = 0; t < batch.columns(); t++) {
                    assertEquals(t > middle && t < length ? 1 : 0, types[row * batch.columns() + t]);
                }
                boolean same = ids[1] == ids[middle + 1];
                assertEquals(same ? 0 : 1, next[row], "another document exactly when it doesn't follow");
                follows += same ? 1 : 0;
                rows++;
            }
        }
        // Some hundred coins: five standard deviations are 0.25.
        assertEquals(0.5, (double) follows / rows, 0.25);
    }

    @Test
    void tokensThatAreMissingAreNamed() {
        Tokenizer plain = new BpeTrainer()
                .train(List.of("some text"), BpeTrainer.Config.of(300))
                .tokenizer();
        DataConfig data = DataConfig.files("x").withMaxLength(16);
        Objective.Input bare = new Objective.Input(counting(100), plain, data, 4, 1);
        QuernException e =
                assertThrows(QuernException.class, () -> new MaskedLm().source(bare, MaskedLm.Config.defaults()));
        assertTrue(e.getMessage().contains("mlm: the tokenizer has no mask_token"), e.getMessage());
        QuernException tooShort = assertThrows(QuernException.class, () -> masked(counting(10), 2, true, 1));
        assertTrue(tooShort.getMessage().contains("max_length: 2"), tooShort.getMessage());
        QuernException one = assertThrows(
                QuernException.class,
                () -> new NextSentence().source(input(documents(12), 32, true, 1), MaskedLm.Config.defaults()));
        assertTrue(one.getMessage().contains("2 are needed"), one.getMessage());
    }
}
