package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.recipe.QuernException;

/** Texts whose middle is put last: that nothing is lost, how often and where they are cut, and how they are joined. */
class FillInTheMiddleTest {
    private static final String PREFIX = "<fim_prefix>";
    private static final String MIDDLE = "<fim_middle>";
    private static final String SUFFIX = "<fim_suffix>";
    private static final Tokenizer TOKENIZER = new BpeTrainer()
            .train(
                    List.of(new Tales(1).text(20_000)),
                    new BpeTrainer.Config(400, 2, new FillInTheMiddle().specialTokens()))
            .tokenizer();
    private static final FillInTheMiddle.Sentinels IDS =
            new FillInTheMiddle.Sentinels(TOKENIZER.id(PREFIX), TOKENIZER.id(MIDDLE), TOKENIZER.id(SUFFIX));

    private static FillInTheMiddle.Config config(double rate, double spm, int version, FillInTheMiddle.Split split) {
        return new FillInTheMiddle.Config(rate, spm, version, split, PREFIX, MIDDLE, SUFFIX);
    }

    private static TokenStream stream(Tokenizer tokenizer, List<String> texts) {
        List<Integer> all = new ArrayList<>();
        long[] starts = new long[texts.size()];
        for (int i = 0; i < starts.length; i++) {
            starts[i] = all.size();
            Arrays.stream(tokenizer.encode(texts.get(i))).forEach(all::add);
            tokenizer.endOfText().ifPresent(all::add);
        }
        int[] tokens = all.stream().mapToInt(i -> i).toArray();
        return TokenStream.of("test", tokens, starts, 1, tokenizer.vocabularySize());
    }

    private static BatchSource source(
            Tokenizer tokenizer, List<String> texts, boolean packing, int length, FillInTheMiddle.Config config) {
        DataConfig data = DataConfig.files("x").withMaxLength(length).withPacking(packing);
        Objective.Input input = new Objective.Input(stream(tokenizer, texts), tokenizer, data, 4, 5);
        return new FillInTheMiddle().configured(config).source(input, config);
    }

    private static Optional<String> remade(String text, long key, FillInTheMiddle.Config config) {
        return FillInTheMiddle.remade(TOKENIZER.encode(text), key, config, IDS, TOKENIZER)
                .map(TOKENIZER::decode);
    }

    /** The text that a remade one was. */
    private static String restored(String remade) {
        boolean first = remade.startsWith(SUFFIX);
        int prefix = remade.indexOf(PREFIX);
        int suffix = remade.indexOf(SUFFIX);
        int middle = remade.indexOf(MIDDLE);
        String before =
                first ? remade.substring(prefix + PREFIX.length(), middle) : remade.substring(PREFIX.length(), suffix);
        String after = remade.substring(suffix + SUFFIX.length(), first ? prefix : middle);
        return before + remade.substring(middle + MIDDLE.length()) + after;
    }

    @ParameterizedTest
    @CsvSource({"0, 2, CHARACTER", "1, 1, CHARACTER", "1, 2, CHARACTER", "0, 2, TOKEN", "1, 1, TOKEN", "1, 2, TOKEN"})
    void nothingOfADocumentIsLost(double spm, int version, FillInTheMiddle.Split split) {
        // Tokens of bytes may be cut within a character.
        String text = split == FillInTheMiddle.Split.TOKEN
                ? "The girl sang; the miller's stone turned.\n"
                : "Das M\u00e4dchen \uD83D\uDC69\u200D\uD83C\uDF3E sang; the miller\u2019s stone turned.\n";
        for (long key = 0; key < 300; key++) {
            String made = remade(text, key, config(1, spm, version, split)).orElseThrow();
            assertEquals(text, restored(made), made);
        }
    }

    /** The three forms of one pair of cuts, as the paper writes them. */
    @Test
    void theFormsAreThoseOfThePaper() {
        String text = "the miller ground her corn";
        String psm = remade(text, 3, config(1, 0, 2, FillInTheMiddle.Split.CHARACTER))
                .orElseThrow();
        String prefix = psm.substring(PREFIX.length(), psm.indexOf(SUFFIX));
        String suffix = psm.substring(psm.indexOf(SUFFIX) + SUFFIX.length(), psm.indexOf(MIDDLE));
        String middle = psm.substring(psm.indexOf(MIDDLE) + MIDDLE.length());
        assertFalse(prefix.isEmpty() || middle.isEmpty() || suffix.isEmpty(), psm);
        assertEquals(
                PREFIX + SUFFIX + suffix + MIDDLE + prefix + middle,
                remade(text, 3, config(1, 1, 2, FillInTheMiddle.Split.CHARACTER))
                        .orElseThrow());
        assertEquals(
                SUFFIX + suffix + PREFIX + prefix + MIDDLE + middle,
                remade(text, 3, config(1, 1, 1, FillInTheMiddle.Split.CHARACTER))
                        .orElseThrow());
        int[] parts = FillInTheMiddle.remade(
                        TOKENIZER.encode(text), 3, config(1, 1, 2, FillInTheMiddle.Split.CHARACTER), IDS, TOKENIZER)
                .orElseThrow();
        int[] own = TOKENIZER.encode(prefix);
        int at = Arrays.stream(parts).boxed().toList().indexOf(IDS.middle()) + 1;
        assertArrayEquals(own, Arrays.copyOfRange(parts, at, at + own.length), "each part by its own tokens");
        assertArrayEquals(
                TOKENIZER.encode(PREFIX + prefix + SUFFIX + suffix + MIDDLE),
                FillInTheMiddle.prompt(TOKENIZER, prefix, suffix));
    }

    /** Shares within five standard deviations of a binomial's; the middle of two uniform cuts is a third on average. */
    @Test
    void asManyAreCutAsAskedForAndAnywhere() {
        int n = 20_000;
        String text = "a".repeat(90);
        int[] tokens = TOKENIZER.encode(text);
        int cut = 0;
        int suffixFirst = 0;
        double middles = 0;
        int[] places = new int[91];
        for (long key = 0; key < n; key++) {
            Optional<int[]> made = FillInTheMiddle.remade(
                    tokens, key, config(0.7, 0.4, 1, FillInTheMiddle.Split.CHARACTER), IDS, TOKENIZER);
            if (made.isPresent()) {
                String shown = TOKENIZER.decode(made.get());
                cut++;
                suffixFirst += shown.startsWith(SUFFIX) ? 1 : 0;
                int length = shown.length() - shown.indexOf(MIDDLE) - MIDDLE.length();
                middles += length;
                int prefix = shown.startsWith(SUFFIX)
                        ? shown.indexOf(MIDDLE) - shown.indexOf(PREFIX)
                        : shown.indexOf(SUFFIX);
                places[prefix - PREFIX.length()]++;
                places[prefix - PREFIX.length() + length]++;
            }
        }
        assertEquals(0.7, cut / (double) n, 5 * Math.sqrt(0.7 * 0.3 / n));
        assertEquals(0.4, suffixFirst / (double) cut, 5 * Math.sqrt(0.4 * 0.6 / cut));
        // The distance of two uniform numbers has a standard deviation of √(1/18) of their range.
        assertEquals(1.0 / 3, middles / cut / 90, 5 * Math.sqrt(1.0 / 18 / cut) + 0.01);
        double each = 2.0 * cut / places.length;
        Arrays.stream(places).forEach(count -> assertEquals(each, count, 6 * Math.sqrt(each)));
    }

    @Test
    void documentsArePackedAndCutAnewInEveryEpoch() {
        List<String> texts = List.of(new Tales(3).text(6_000).split("(?<=\n)"));
        BatchSource source = source(TOKENIZER, texts, true, 48, config(0.5, 0.5, 2, FillInTheMiddle.Split.CHARACTER));
        StringBuilder first = new StringBuilder();
        for (long k = 0; k < source.batchesPerEpoch(); k++) {
            Batch batch = source.batch(k);
            assertEquals(48, batch.columns());
            for (int i = 0; i < batch.inputIds().length - 1; i++) {
                if (i % 48 < 47) {
                    assertEquals(batch.inputIds()[i + 1], batch.labels()[i], "every token is predicted");
                }
            }
            first.append(TOKENIZER.decode(batch.inputIds()));
        }
        assertTrue(first.indexOf(MIDDLE) > 0 && first.indexOf(PREFIX + SUFFIX) > 0, "both forms occur");
        Batch again = source(TOKENIZER, texts, true, 48, config(0.5, 0.5, 2, FillInTheMiddle.Split.CHARACTER))
                .batch(1);
        assertArrayEquals(source.batch(1).inputIds(), again.inputIds(), "the same seed gives the same");
        assertFalse(Arrays.equals(
                source.batch(source.batchesPerEpoch()).inputIds(),
                source.batch(0).inputIds()));
    }

    @Test
    void rowsOfDocumentsHoldOneEach() {
        List<String> texts = List.of("the miller ground her corn", "and sang while the stone turned");
        BatchSource source = source(TOKENIZER, texts, false, 64, config(1, 0, 2, FillInTheMiddle.Split.CHARACTER));
        Batch batch = source.batch(0);
        assertEquals(2, batch.rows());
        List<String> seen = new ArrayList<>();
        for (int row = 0; row < 2; row++) {
            int from = batch.start(row);
            seen.add(restored(
                    TOKENIZER.decode(Arrays.copyOfRange(batch.inputIds(), from, from + batch.lengths()[row]))));
            assertEquals(
                    TOKENIZER.endOfText().getAsInt(),
                    batch.labels()[from + batch.lengths()[row] - 1],
                    "the end of the document stays at its end");
        }
        assertEquals(texts.stream().sorted().toList(), seen.stream().sorted().toList());
    }

    @Test
    void withoutCutsItIsTheNextToken() {
        List<String> texts = List.of(new Tales(3).text(6_000).split("(?<=\n)"));
        DataConfig data = DataConfig.files("x").withMaxLength(32);
        Objective.Input input = new Objective.Input(stream(TOKENIZER, texts), TOKENIZER, data, 4, 5);
        Batch plain = new CausalLm().source(input, new CausalLm.Config()).batch(2);
        Batch never = source(TOKENIZER, texts, true, 32, config(0, 0.5, 2, FillInTheMiddle.Split.CHARACTER))
                .batch(2);
        assertArrayEquals(plain.inputIds(), never.inputIds());
        assertArrayEquals(plain.labels(), never.labels());
    }

    @Test
    void whatDoesNotFitIsRefused() {
        List<String> texts = List.of(new Tales(3).text(3_000));
        FillInTheMiddle.Config usual = config(0.5, 0.5, 2, FillInTheMiddle.Split.CHARACTER);
        Tokenizer bare =
                new BpeTrainer().train(texts, BpeTrainer.Config.of(300)).tokenizer();
        refused(() -> source(bare, texts, true, 32, usual), "the tokenizer lacks <fim_prefix>");
        refused(() -> FillInTheMiddle.prompt(bare, "a", "b"), "no sentinel tokens of a known name");
        Tokenizer words = bare.withAdded(List.of(), List.of(PREFIX, MIDDLE, SUFFIX));
        source(words, texts, true, 32, usual).batch(0);
        Tokenizer pieces = Tokenizer.of(new UnigramTrainer()
                        .train(
                                texts,
                                quern.recipe.Block.empty(quern.recipe.Position.of("x"))
                                        .with("vocab_size", 200L)
                                        .bind(UnigramTrainer.Config.class)))
                .withAdded(List.of(), List.of(PREFIX, MIDDLE, SUFFIX));
        refused(() -> source(pieces, texts, true, 32, usual), "set split: token");
        source(pieces, texts, true, 32, config(0.5, 0.5, 2, FillInTheMiddle.Split.TOKEN))
                .batch(0);
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class,
                () -> new FillInTheMiddle.Config(1, 1, 2, FillInTheMiddle.Split.TOKEN, "<a>", "<a>", "<b>"));
        assertTrue(e.getMessage().startsWith("prefix_token: "), e.getMessage());
    }

    private static void refused(Runnable run, String part) {
        QuernException e = assertThrows(QuernException.class, run::run);
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }
}
