package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.data.SpecialToken;
import quern.data.Tokenizer;
import quern.models.GenerationConfig;
import quern.models.Generator;
import quern.models.LanguageModel;
import quern.models.Task;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;

/** Encoders and decoders learn by texts with holes, CLIP by painted captions; from a recipe and from a folder. */
class RewritingObjectivesTest {
    private static final String T5 = "{family: t5, d_model: 32, num_layers: 1, num_heads: 2, dropout_rate: 0.0}";
    private static final String BART =
            "{family: %s, d_model: 32, encoder_layers: 1, decoder_layers: 1, encoder_attention_heads: 2, decoder_attention_heads: 2, max_position_embeddings: 40, dropout: 0.0}";
    private static final String CLIP =
            "{family: clip, projection_dim: 16, text_config: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2}, vision_config: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, image_size: 24, patch_size: 8}}";

    private static final List<String> OPTIONS = List.of(
            "data.max_length=32",
            "max_steps=20",
            "eval_steps=20",
            "save_steps=20",
            "warmup_steps=0",
            "per_device_train_batch_size=16",
            "per_device_eval_batch_size=8");

    @TempDir
    Path folder;

    private TrainingRun.Outcome train(String model, String objective, String run, String... more) {
        return TinyRuns.train(TinyRuns.blockOf(
                model,
                folder,
                Stream.of(
                                OPTIONS.stream(),
                                Stream.of("objective=" + objective, "output_dir=" + folder.resolve(run)),
                                Stream.of(more))
                        .flatMap(s -> s)
                        .toArray(String[]::new)));
    }

    private static double loss(TrainingRun.Outcome outcome, int from, int to) {
        return MetricsLog.read(outcome.folder()).stream()
                .filter(line -> line.containsKey("loss"))
                .skip(from)
                .limit(to - from)
                .mapToDouble(line -> line.get("loss"))
                .average()
                .orElseThrow();
    }

    @ParameterizedTest
    @CsvSource({"t5, span_corruption", "t5, text_infilling", "bart, text_infilling", "blenderbot, text_infilling"})
    void anEncoderAndDecoderLearnFromARecipeAndFromAFolder(String family, String objective) {
        String model = family.equals("t5") ? T5 : BART.formatted(family);
        String tokenizer = "tokenizer={type: bpe, vocab_size: 420}";
        TrainingRun.Outcome fresh = train(model, objective, "fresh", tokenizer);
        double start = loss(fresh, 0, 2);
        double end = loss(fresh, 17, 20);
        assertTrue(end < 0.9 * start, "from " + start + " to " + end);
        assertFalse(fresh.evaluation().containsKey("eval_bits_per_byte"));
        assertTrue(
                fresh.evaluation().get("eval_loss") < start,
                () -> fresh.evaluation().toString());

        Tokenizer trained = Tokenizer.load(fresh.folder());
        try (LanguageModel saved = LanguageModel.load(fresh.folder(), DType.FP32, Device.CPU)) {
            assertEquals(Task.SEQ2SEQ_LM, saved.spec().task());
            long pad = trained.special(SpecialToken.PAD_TOKEN).getAsInt();
            assertEquals(pad, ((Number) saved.spec().field("pad_token_id")).longValue());
            assertTrue(saved.spec().field("decoder_start_token_id") instanceof Number);
            assertGeneratesTheSameWithoutACache(saved, trained);
            TextGenerator.Result answer =
                    new TextGenerator(saved, trained, saved.generationConfig()).generate("the miller", piece -> true);
            // A source ends as it did in training.
            assertEquals(trained.encode("the miller").length + 1, answer.promptTokens());
            assertTrue(answer.tokens() > 0);
        }
        TrainingRun.Outcome further =
                train("{path: %s}".formatted(fresh.folder()), objective, "further", "tokenizer=null", "seed=9");
        assertTrue(loss(further, 0, 3) < 0.9 * start, "it goes on where the first run ended");
        assertTrue(loss(further, 17, 20) < end, "and learns on");
    }

    private static void assertGeneratesTheSameWithoutACache(LanguageModel model, Tokenizer tokenizer) {
        List<long[]> prompts = Stream.of("the miller ground", "her corn at dawn and sang while the stone turned")
                .map(text ->
                        Arrays.stream(tokenizer.encode(text)).asLongStream().toArray())
                .toList();
        for (boolean sample : new boolean[] {false, true}) {
            GenerationConfig cached = new GenerationConfig(12, sample, 1.3, 0, 1, 1.1, List.of(), List.of(), 4, true);
            GenerationConfig uncached =
                    new GenerationConfig(12, sample, 1.3, 0, 1, 1.1, List.of(), List.of(), 4, false);
            List<Generator.Generated> together = new Generator(model, cached, null).generate(prompts);
            assertEquals(together, new Generator(model, uncached, null).generate(prompts));
            if (!sample) {
                // A shorter source is hidden where it is padded: alone it gives the same.
                assertEquals(
                        together.subList(0, 1), new Generator(model, cached, null).generate(prompts.subList(0, 1)));
            }
        }
    }

    @Test
    void clipLearnsWhichCaptionIsWhichImages() {
        String data = "data={path: null, source: shapes, shapes_pairs: 400, max_length: 64, packing: false}";
        String objective = "{type: contrastive_text_image, image_size: 24}";
        String tokenizer = "tokenizer={type: bpe, vocab_size: 300}";
        TrainingRun.Outcome fresh = train(CLIP, objective, "fresh", tokenizer, data, "learning_rate=3e-3");
        double start = loss(fresh, 0, 2);
        double end = loss(fresh, 17, 20);
        // Sixteen pairs: a guess costs log 16 = 2.77.
        assertTrue(end < 0.9 * start, "from " + start + " to " + end);
        try (LanguageModel saved = LanguageModel.load(fresh.folder(), DType.FP32, Device.CPU)) {
            assertEquals(Task.CONTRASTIVE, saved.spec().task());
        }
        TrainingRun.Outcome further = train(
                "{path: %s}".formatted(fresh.folder()),
                objective,
                "further",
                "tokenizer=null",
                data,
                "seed=9",
                "learning_rate=3e-3");
        double on = loss(further, 0, 3);
        assertTrue(on < 0.9 * start, "it goes on where the first run ended: " + on + " after " + start);
    }

    /** A tokenizer that learns none of the tokens an objective needs. */
    private static final String NONE = "tokenizer={type: char, special_tokens: [\"[PAD]\"]}";

    @Test
    void whatDoesNotFitIsRefused() {
        refused(() -> train(T5, "span_corruption", "a", NONE), "has 0 sentinel tokens");
        refused(() -> train(T5, "text_infilling", "b", NONE), "the tokenizer has no mask_token");
        refused(() -> train(T5, "causal_lm", "c"), "t5 has no head for causal_lm");
        refused(() -> train(CLIP, "contrastive_text_image", "d", NONE), "the tokenizer has no end-of-text token");
        refused(
                () -> train(CLIP, "contrastive_text_image", "e", "tokenizer={type: bpe, vocab_size: 300}"),
                "is no caption of a shape");
        refused(
                () -> train(
                        CLIP,
                        "{type: contrastive_text_image, image_size: 32}",
                        "f",
                        "tokenizer={type: bpe, vocab_size: 300}",
                        "data={path: null, source: shapes, shapes_pairs: 100, max_length: 64}"),
                "images of 32 x 32 pixels are 16 patches, but the model was made for 9");
        refused(
                () -> train(CLIP.replace("patch_size", "patches"), "contrastive_text_image", "g"),
                "vision_config: patches: unknown key");
    }

    private static void refused(Executable run, String part) {
        QuernException e = assertThrows(QuernException.class, run);
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }
}
