package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.FillInTheMiddle;
import quern.data.Tokenizer;
import quern.models.GenerationConfig;
import quern.models.LanguageModel;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;

/** A decoder learns to fill in the middle from a recipe, and does so from its folder. */
class FillInTheMiddleTrainingTest {
    @TempDir
    Path folder;

    private TrainingRun.Outcome train(String run, String... more) {
        List<String> all = new java.util.ArrayList<>(List.of(
                "objective={type: fim, fim_rate: 0.7}",
                "tokenizer={type: bpe, vocab_size: 300}",
                "data.max_length=64",
                "data.text_unit=line",
                "max_steps=20",
                "eval_steps=20",
                "save_steps=10",
                "output_dir=" + folder.resolve(run)));
        all.addAll(List.of(more));
        return TinyRuns.train(TinyRuns.blockOf(TinyRuns.WIDE_LLAMA, folder, all.toArray(String[]::new)));
    }

    @Test
    void theLossFallsAndAMiddleIsWritten() {
        Path run = train("run").folder();
        List<Double> losses = MetricsLog.read(run).stream()
                .filter(line -> line.containsKey("loss"))
                .map(line -> line.get("loss"))
                .toList();
        assertEquals(20, losses.size());
        assertTrue(losses.getLast() < 0.8 * losses.getFirst(), losses::toString);
        Tokenizer tokenizer = Tokenizer.load(run);
        new FillInTheMiddle().specialTokens().forEach(token -> assertTrue(tokenizer.has(token), token));
        try (LanguageModel model = LanguageModel.load(run, DType.FP32, Device.CPU)) {
            GenerationConfig config = model.generationConfig(Map.of("max_new_tokens", 8L));
            TextGenerator.Result made =
                    new TextGenerator(model, tokenizer, config).infill("the miller ", " stone turned", piece -> true);
            assertEquals(
                    3 + tokenizer.encode("the miller ").length + tokenizer.encode(" stone turned").length,
                    made.promptTokens());
            assertTrue(made.tokens() >= 1 && made.tokens() <= 8);
        }
    }

    @Test
    void aTokenizerWithoutSentinelsIsRefused() {
        String bare = "tokenizer.special_tokens=[\"<|endoftext|>\"]";
        QuernException e = assertThrows(QuernException.class, () -> train("bare", bare));
        assertTrue(e.getMessage().contains("the tokenizer lacks <fim_prefix>"), e.getMessage());
    }
}
