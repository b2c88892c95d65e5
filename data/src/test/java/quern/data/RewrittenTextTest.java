package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import quern.data.internal.Scene;

/** What becomes of texts that an encoder reads and a decoder writes, and of captions. */
class RewrittenTextTest {
    private static final int LENGTH = 60;
    private static final int ROWS = 4;
    private static final Tokenizer BPE = tokenizer(new SpanCorruption());
    private static final Tokenizer MASKED = tokenizer(new TextInfilling());

    private static Tokenizer tokenizer(Objective objective) {
        BpeTrainer.Config config = new BpeTrainer.Config(420, 2, objective.specialTokens());
        return Tokenizer.of(new BpeTrainer().train(List.of(new Tales(1).text(3_000)), config));
    }

    private static Objective.Input input(Tokenizer tokenizer, String text, boolean packing, long seed) {
        DataConfig data = DataConfig.files("x").withMaxLength(LENGTH).withPacking(packing);
        return new Objective.Input(TokenStream.of("text", text, tokenizer), tokenizer, data, ROWS, seed);
    }

    private static int[] row(int[] values, int row, int rows) {
        int columns = values.length / rows;
        return Arrays.copyOfRange(values, row * columns, (row + 1) * columns);
    }

    private static int[] source(Batch batch, int row) {
        return Arrays.copyOf(row(batch.inputIds(), row, batch.rows()), batch.lengths()[row]);
    }

    private static int[] target(Batch batch, int row) {
        return Arrays.stream(row(batch.labels(), row, batch.rows()))
                .filter(id -> id != Batch.NOT_COUNTED)
                .toArray();
    }

    /** The text again: each sentinel of the source replaced by what the target has after it. */
    private static int[] whole(int[] source, int[] target, int first, int sentinels) {
        List<Integer> text = new ArrayList<>();
        for (int id : source) {
            if (id < first || id >= first + sentinels) {
                text.add(id);
                continue;
            }
            int at = IntStream.range(0, target.length)
                    .filter(i -> target[i] == id)
                    .findFirst()
                    .orElseThrow();
            for (int i = at + 1; i < target.length && (target[i] < first || target[i] >= first + sentinels); i++) {
                text.add(target[i]);
            }
        }
        return text.stream().mapToInt(Integer::intValue).toArray();
    }

    @Test
    void spansAndWhatIsLeftMakeTheText() {
        String text = new Tales(2).text(4_000);
        BatchSource batches =
                new SpanCorruption().source(input(BPE, text, true, 5), new SpanCorruption.Config(0.15, 3));
        int first = BPE.id("<extra_id_0>");
        int end = BPE.endOfText().getAsInt();
        String all = BPE.decode(BPE.encode(text));
        for (long b = 0; b < batches.batchesPerEpoch(); b++) {
            Batch batch = batches.batch(b);
            assertTrue(batch.columns() <= LENGTH);
            for (int r = 0; r < batch.rows(); r++) {
                int[] source = source(batch, r);
                int[] target = target(batch, r);
                assertEquals(end, source[source.length - 1]);
                assertEquals(end, target[target.length - 1]);
                // 59 tokens lose 9 in 3 spans.
                assertEquals(LENGTH - 9 + 3, source.length);
                assertEquals(9 + 3 + 1, target.length);
                assertEquals(first, target[0]);
                int[] whole = whole(
                        Arrays.copyOf(source, source.length - 1), Arrays.copyOf(target, target.length - 1), first, 100);
                assertEquals(LENGTH - 1, whole.length);
                assertTrue(all.contains(BPE.decode(whole)), "a window of the text");
            }
        }
    }

    @Test
    void infillingHidesItsShareBehindSingleMasks() {
        String text = new Tales(2).text(8_000);
        BatchSource batches =
                new TextInfilling().source(input(MASKED, text, true, 5), new TextInfilling.Config(0.3, 3));
        int mask = MASKED.special(SpecialToken.MASK_TOKEN).getAsInt();
        String all = MASKED.decode(MASKED.encode(text));
        int masks = 0;
        int rows = 0;
        for (long b = 0; b < batches.batchesPerEpoch(); b++) {
            Batch batch = batches.batch(b);
            for (int r = 0; r < batch.rows(); r++, rows++) {
                int[] source = source(batch, r);
                int[] target = target(batch, r);
                assertEquals(LENGTH, target.length);
                assertTrue(all.contains(MASKED.decode(Arrays.copyOf(target, LENGTH - 1))));
                int[] kept = Arrays.stream(source).filter(id -> id != mask).toArray();
                // 59 tokens lose 18; the end stays.
                assertEquals(LENGTH - 18, kept.length);
                assertSubsequence(kept, target);
                for (int i = 1; i < source.length; i++) {
                    assertFalse(source[i] == mask && source[i - 1] == mask, "masks side by side");
                }
                masks += source.length - kept.length;
            }
        }
        // Poisson spans of mean 3, the last one cut: about 18 / 3 a row, give or take one.
        assertEquals(6, (double) masks / rows, 1);
    }

    private static void assertSubsequence(int[] part, int[] of) {
        int at = 0;
        for (int id : of) {
            if (at < part.length && part[at] == id) {
                at++;
            }
        }
        assertEquals(part.length, at, "what is kept keeps its order");
    }

    @Test
    void aBatchDependsOnSeedAndNumberAlone() {
        String text = new Tales(2).text(4_000);
        SpanCorruption.Config config = new SpanCorruption.Config(0.15, 3);
        Batch one =
                new SpanCorruption().source(input(BPE, text, true, 5), config).batch(3);
        Batch again =
                new SpanCorruption().source(input(BPE, text, true, 5), config).batch(3);
        Batch other =
                new SpanCorruption().source(input(BPE, text, true, 6), config).batch(3);
        assertArrayEquals(one.inputIds(), again.inputIds());
        assertArrayEquals(one.labels(), again.labels());
        assertNotEquals(Arrays.toString(one.inputIds()), Arrays.toString(other.inputIds()));
    }

    @Test
    void captionsSayScenesThatCanBePainted() {
        Shapes shapes = new Shapes(3);
        Set<String> seen = new HashSet<>();
        float[] first = new float[3 * 16 * 16];
        float[] second = new float[3 * 16 * 16];
        for (int i = 0; i < 200; i++) {
            String caption = shapes.caption(i);
            seen.add(caption);
            Scene scene = Scene.parse(caption).orElseThrow();
            assertEquals(caption, scene.caption());
            scene.paint(first, 0, 16, 7);
            scene.paint(second, 0, 16, 7);
            assertArrayEquals(first, second);
            float low = Float.MAX_VALUE;
            float high = -Float.MAX_VALUE;
            for (float value : first) {
                low = Math.min(low, value);
                high = Math.max(high, value);
            }
            assertTrue(high - low > 0.3, caption + ": the shape stands out from its background");
        }
        assertTrue(seen.size() > 150, "captions vary: " + seen.size());
        assertTrue(Scene.parse("a red thing").isEmpty());
        assertTrue(
                Scene.parse("a small red thing in the top on a blue background").isEmpty());
    }
}
