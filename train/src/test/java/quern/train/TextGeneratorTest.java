package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import quern.data.BpeTrainer;
import quern.data.Tokenizer;
import quern.models.GenerationConfig;
import quern.models.Generator.StopReason;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.models.SpecialTokens;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.RecipeFile;
import quern.tensor.DType;
import quern.tensor.Device;

/** Text made piece by piece, by a model with new weights whose tokens are single bytes. */
class TextGeneratorTest {
    private static Tokenizer tokenizer;
    private static LanguageModel model;

    @BeforeAll
    static void make() {
        tokenizer = Tokenizer.of(new BpeTrainer().train(List.of("ab"), BpeTrainer.Config.of(257)));
        Block block = RecipeFile.load(
                "test", "{family: gpt2, n_layer: 1, n_head: 2, n_embd: 16, n_positions: 64}", List.of());
        OptionalInt end = tokenizer.endOfText();
        ModelSpec spec = ModelSpec.fromRecipe(
                block, tokenizer.vocabularySize(), new SpecialTokens(end, end, OptionalInt.empty()));
        model = LanguageModel.create(spec, DType.FP32, Device.CPU, 3);
    }

    @AfterAll
    static void free() {
        model.close();
    }

    private static GenerationConfig config(String... settings) {
        Block block = RecipeFile.load("test", "{do_sample: true, max_new_tokens: 60}", List.of(settings));
        return model.generationConfig().with(block);
    }

    private static TextGenerator.Result generate(List<String> pieces, GenerationConfig config) {
        return new TextGenerator(model, tokenizer, config).generate("a", piece -> {
            pieces.add(piece);
            return true;
        });
    }

    @Test
    void thePiecesAreTheTextInWholeCharacters() {
        List<String> pieces = new ArrayList<>();
        TextGenerator.Result result = generate(pieces, config("seed=1", "eos_token_id=[]"));
        assertEquals(60, result.tokens());
        assertEquals(1, result.promptTokens());
        assertEquals(StopReason.MAX_NEW_TOKENS, result.reason());
        assertEquals(String.join("", pieces), result.text());
        assertTrue(pieces.size() > 30, "it came in " + pieces.size() + " pieces");
    }

    @Test
    void aStopStringIsHeldBackWhileItMayBeOne() {
        String text =
                generate(new ArrayList<>(), config("seed=1", "eos_token_id=[]")).text();
        int at = 10;
        String stop = text.substring(at, at + 3);
        String before = text.substring(0, text.indexOf(stop));
        GenerationConfig config = config("seed=1", "eos_token_id=[]")
                .with(Block.empty(Position.of("test")).with("stop_strings", List.of(stop, "not in the text")));
        List<String> pieces = new ArrayList<>();
        TextGenerator.Result result = generate(pieces, config);
        assertEquals(StopReason.STOP_STRING, result.reason());
        assertEquals(before, result.text());
        assertEquals(before, String.join("", pieces));
    }

    @Test
    void theEndOfTextTokenIsNoText() {
        // Forced to draw among all tokens for long, some seed meets the end-of-text token.
        for (int seed = 0; seed < 200; seed++) {
            TextGenerator.Result result = generate(new ArrayList<>(), config("seed=" + seed, "top_k=0"));
            if (result.reason() == StopReason.EOS) {
                assertFalse(result.text().contains("<|endoftext|>"), result.text());
                return;
            }
        }
        throw new AssertionError("no text of 200 ended by itself");
    }

    @Test
    void theListenerCanEndIt() {
        TextGenerator generator = new TextGenerator(model, tokenizer, config("seed=1", "eos_token_id=[]"));
        TextGenerator.Result result = generator.generate("a", piece -> false);
        assertEquals(StopReason.CANCELLED, result.reason());
        assertEquals(1, result.tokens());
    }

    @Test
    void anotherSeedGivesAnotherText() {
        TextGenerator generator = new TextGenerator(model, tokenizer, config("seed=1"));
        assertEquals(
                generator.generate("a", piece -> true).text(),
                generator.withSeed(1).generate("a", piece -> true).text());
        assertFalse(generator
                .generate("a", piece -> true)
                .text()
                .equals(generator.withSeed(2).generate("a", piece -> true).text()));
    }
}
