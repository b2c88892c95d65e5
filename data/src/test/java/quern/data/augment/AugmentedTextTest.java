package quern.data.augment;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.BpeTrainer;
import quern.data.CausalLm;
import quern.data.DataConfig;
import quern.data.Objective;
import quern.data.Tales;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;

class AugmentedTextTest {
    private static final Position HERE = Position.of("data");
    private static final List<String> TEXTS = texts();
    private static final Tokenizer TOKENIZER = tokenizer();

    private static List<String> texts() {
        List<String> texts = new ArrayList<>();
        new Tales(5).iterator(30_000).forEachRemaining(texts::add);
        return texts;
    }

    private static Tokenizer tokenizer() {
        BpeTrainer trainer = new BpeTrainer();
        Block settings = Block.empty(HERE)
                .with("vocab_size", 400)
                .with("special_tokens", List.of("<|endoftext|>", "[START_UNIT]", "[END_UNIT]"));
        return Tokenizer.of(trainer.train(TEXTS, settings.bind(trainer.config())));
    }

    private static TokenStream stream(List<String> texts, boolean prompts) {
        int[] tokens = new int[0];
        long[] starts = new long[texts.size()];
        for (int i = 0; i < starts.length; i++) {
            starts[i] = tokens.length;
            int[] ids = TOKENIZER.encode(texts.get(i) + "<|endoftext|>");
            tokens = Arrays.copyOf(tokens, tokens.length + ids.length);
            System.arraycopy(ids, 0, tokens, tokens.length - ids.length, ids.length);
        }
        return prompts
                ? TokenStream.ofAnswers("test", tokens, starts, starts, 1, TOKENIZER.vocabularySize())
                : TokenStream.of("test", tokens, starts, 1, TOKENIZER.vocabularySize());
    }

    private static BatchSource plain(Objective.Input input) {
        CausalLm objective = new CausalLm();
        return objective.source(input, Block.empty(HERE).bind(objective.config()));
    }

    private static BatchSource batches(Objective.Input input, Block... augment) {
        return AugmentedText.of(List.of(augment)).orElseThrow().batches(input, AugmentedTextTest::plain, HERE);
    }

    private static Objective.Input input(DataConfig data) {
        return new Objective.Input(stream(TEXTS, false), TOKENIZER, data, 4, 7);
    }

    private static Block block(String type) {
        return Block.empty(HERE).with("type", type);
    }

    @Test
    void batchesAreAPureFunctionOfTheirNumber() {
        DataConfig data = DataConfig.files("none").withMaxLength(64);
        BatchSource one = batches(input(data), block("drop"), block("synonym").with("share", 0.5));
        long epoch = one.batchesPerEpoch();
        assertEquals(plain(input(data)).batchesPerEpoch(), epoch);
        // Another source, asked from behind, gives the same.
        BatchSource other = batches(input(data), block("drop"), block("synonym").with("share", 0.5));
        for (long i = 3 * epoch; i >= 0; i -= 2) {
            assertArrayEquals(one.batch(i).inputIds(), other.batch(i).inputIds());
            assertArrayEquals(one.batch(i).labels(), other.batch(i).labels());
        }
        List<String> notices = one.notices();
        assertTrue(
                notices.stream().anyMatch(n -> n.matches("augment: drop changed (9|10|11)\\.\\d\\d% of .*")),
                notices.toString());
        assertTrue(notices.stream().anyMatch(n -> n.startsWith("augment: synonym changed")), notices.toString());
    }

    @Test
    void everyDocumentIsChangedOtherwiseEachEpochAndKeepsItsEnd() {
        DataConfig data = DataConfig.files("none").withMaxLength(4000).withPacking(false);
        Objective.Input input = input(data);
        BatchSource source = batches(input, block("drop").with("share", 0.5));
        BatchSource plain = plain(input);
        int end = TOKENIZER.endOfText().orElseThrow();
        List<int[]> first = rows(source, 0);
        List<int[]> second = rows(source, 1);
        List<int[]> unchanged = rows(plain, 0);
        assertEquals(TEXTS.size(), first.size());
        for (List<int[]> epoch : List.of(first, second)) {
            for (int[] labels : epoch) {
                assertEquals(end, labels[labels.length - 1]);
            }
        }
        long words = words(unchanged);
        for (List<int[]> epoch : List.of(first, second)) {
            double share = (double) words(epoch) / words;
            // Some 5,000 words: four standard deviations are 0.03.
            assertEquals(0.5, share, 0.03);
        }
        assertTrue(
                first.stream().noneMatch(a -> second.stream().anyMatch(b -> Arrays.equals(a, b))),
                "no document is the same in both");
    }

    private static List<int[]> rows(BatchSource source, int epoch) {
        List<int[]> rows = new ArrayList<>();
        for (long i = 0; i < source.batchesPerEpoch(); i++) {
            Batch batch = source.batch(epoch * source.batchesPerEpoch() + i);
            for (int row = 0; row < batch.rows(); row++) {
                int start = batch.start(row);
                rows.add(Arrays.copyOfRange(batch.labels(), start, start + batch.lengths()[row]));
            }
        }
        return rows;
    }

    private static long words(List<int[]> rows) {
        return rows.stream()
                .mapToLong(row -> WordText.of(TOKENIZER.decode(row)).words.size())
                .sum();
    }

    @Test
    void markersAreOneTokenEach() {
        Block scientific = block("scientific").with("passages", List.of("unit"));
        AugmentedText text = AugmentedText.of(List.of(scientific)).orElseThrow();
        assertEquals(List.of("[START_UNIT]", "[END_UNIT]"), text.specialTokens());
        int[] ids = TOKENIZER.encode("[START_UNIT]5 km[END_UNIT]");
        assertEquals(TOKENIZER.id("[START_UNIT]"), ids[0]);
        assertEquals(TOKENIZER.id("[END_UNIT]"), ids[ids.length - 1]);
    }

    @Test
    void whatCanNotBeAugmentedIsRefused() {
        DataConfig data = DataConfig.files("none").withMaxLength(64);
        Objective.Input prompts = new Objective.Input(stream(TEXTS, true), TOKENIZER, data, 4, 7);
        assertTrue(assertThrows(QuernException.class, () -> batches(prompts, block("drop")))
                .getMessage()
                .contains("instruction rows"));
        Objective.Input lanes = new Objective.Input(stream(TEXTS, false), TOKENIZER, data, 4, 7, true);
        assertTrue(assertThrows(QuernException.class, () -> batches(lanes, block("drop")))
                .getMessage()
                .contains("memories"));
        assertTrue(assertThrows(QuernException.class, () -> AugmentedText.of(List.of(block("dorp"))))
                .getMessage()
                .contains("did you mean 'drop'?"));
        assertTrue(assertThrows(QuernException.class, () -> batches(input(data), block("scientific")))
                .getMessage()
                .contains("does not know '[START_LATEX]'"));
        assertEquals(Optional.empty(), AugmentedText.of(List.of()));
    }
}
