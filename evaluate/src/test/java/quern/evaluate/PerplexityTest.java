package quern.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import quern.data.TokenStream;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.models.SpecialTokens;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** The perplexity of a small model on a few tokens, against sums made here. */
class PerplexityTest {
    private static final int VOCABULARY = 11;
    private static final int CONTEXT = 8;
    private static final int[] TOKENS = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6};
    private static final long BYTES = 40;

    /** Single-precision logits and sums of a few of them. */
    private static final double TOLERANCE = 1e-5;

    private static LanguageModel model;

    @BeforeAll
    static void make() {
        ModelSpec spec = ModelSpec.fromRecipe(
                RecipeFile.load(
                        "test",
                        "{family: gpt2, n_layer: 1, n_head: 2, n_embd: 16, n_positions: " + CONTEXT + "}",
                        List.of()),
                VOCABULARY,
                new SpecialTokens(OptionalInt.empty(), OptionalInt.empty(), OptionalInt.empty()));
        model = LanguageModel.create(spec, DType.FP32, Device.CPU, 5);
        // New weights are so small that every token is about as likely; larger ones tell windows apart.
        try (Scope scope = Scope.open()) {
            for (Parameter p : model.parameters()) {
                p.value().detach().mul_(8);
            }
        }
    }

    @AfterAll
    static void free() {
        model.close();
    }

    private static TokenStream stream(int... tokens) {
        return TokenStream.of("a test", tokens, new long[] {0}, BYTES, VOCABULARY);
    }

    /** Negative log-probabilities by the plain logits, window by window. */
    private static double loss(int window) {
        double sum = 0;
        try (Scope scope = Scope.open()) {
            for (int from = 0; from < TOKENS.length - 1; from += window) {
                int length = Math.min(window, TOKENS.length - 1 - from);
                long[] ids = new long[length];
                for (int i = 0; i < length; i++) {
                    ids[i] = TOKENS[from + i];
                }
                float[] logits = model.logits(Tensor.of(ids, 1, length), null).toFloats();
                for (int i = 0; i < length; i++) {
                    double normaliser = 0;
                    for (int v = 0; v < VOCABULARY; v++) {
                        normaliser += Math.exp(logits[i * VOCABULARY + v]);
                    }
                    sum += Math.log(normaliser) - logits[i * VOCABULARY + TOKENS[from + i + 1]];
                }
            }
        }
        return sum / (TOKENS.length - 1);
    }

    /** Such a model reads texts of any length, but not in one window. */
    @Test
    void theDefaultWindowOfAModelWithMemoriesIsARowOfItsTraining() {
        ModelSpec spec = ModelSpec.fromRecipe(
                RecipeFile.load(
                        "test",
                        "{family: custom, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, position: none, recurrence: {type: transformer_xl, memory_length: 30}, max_position_embeddings: "
                                + CONTEXT + "}",
                        List.of()),
                VOCABULARY,
                new SpecialTokens(OptionalInt.empty(), OptionalInt.empty(), OptionalInt.empty()));
        try (LanguageModel recurrent = LanguageModel.create(spec, DType.FP32, Device.CPU, 5)) {
            double found = Perplexity.of(recurrent, stream(TOKENS)).loss();
            // One lane carries all of the text before along, however it is cut.
            assertEquals(
                    Perplexity.of(recurrent, stream(TOKENS), 5, 1, batches -> {})
                            .loss(),
                    Perplexity.of(recurrent, stream(TOKENS), CONTEXT, 1, batches -> {})
                            .loss(),
                    TOLERANCE);
            assertTrue(Double.isFinite(found));
        }
    }

    @Test
    void theDefaultWindowIsTheContext() {
        Perplexity found = Perplexity.of(model, stream(TOKENS));
        double expected = loss(CONTEXT);
        assertEquals(expected, found.loss(), TOLERANCE * expected);
        assertEquals(Math.exp(expected), found.perplexity(), TOLERANCE * 10 * Math.exp(expected));
        assertEquals(TOKENS.length - 1, found.tokens());
        assertEquals(
                expected * found.tokens() / Math.log(2) / BYTES, found.bitsPerByte(), TOLERANCE * found.bitsPerByte());
    }

    @Test
    void shorterWindowsKnowLess() {
        for (int window : new int[] {1, 3, 5}) {
            for (int rows : new int[] {1, 2, 30}) {
                List<Long> progress = new ArrayList<>();
                Perplexity found = Perplexity.of(model, stream(TOKENS), window, rows, progress::add);
                assertEquals(loss(window), found.loss(), TOLERANCE * found.loss(), window + " in rows of " + rows);
                assertEquals(
                        Perplexity.prepare(model, stream(TOKENS), window, rows).batches(), progress.getLast());
            }
        }
        assertTrue(Math.abs(loss(1) - loss(CONTEXT)) > 1e-3, "the windows must differ for the test to mean something");
    }

    @Test
    void whatCanNotBeMeasuredIsBadInput() {
        refused("max_length: 9 tokens", stream(TOKENS), CONTEXT + 1);
        refused("max_length: 0 tokens", stream(TOKENS), 0);
        refused("a test: 1 tokens, too short", stream(1), CONTEXT);
        TokenStream other = TokenStream.of("other", TOKENS, new long[] {0}, BYTES, VOCABULARY + 1);
        refused("other: its tokenizer has 12 tokens, but the model knows 11", other, CONTEXT);
    }

    private static void refused(String start, TokenStream text, int maxLength) {
        QuernException e = assertThrows(QuernException.class, () -> Perplexity.of(model, text, maxLength, 2, b -> {}));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().startsWith(start), e.getMessage());
    }
}
