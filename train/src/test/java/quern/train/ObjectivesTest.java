package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.data.Batch;
import quern.data.SpecialToken;
import quern.data.Tokenizer;
import quern.models.LanguageModel;
import quern.models.Task;
import quern.nn.Pass;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;

/** Encoders learn by hidden tokens and next sentences, from a recipe and from a folder. */
class ObjectivesTest {
    private static final String SIZES =
            "hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, max_position_embeddings: 34";

    /** Enough for words, and for a mask token every few of them. */
    private static final String[] OPTIONS = {
        "tokenizer={type: bpe, vocab_size: 300}",
        "data.max_length=32",
        "max_steps=20",
        "eval_steps=20",
        "save_steps=20",
        "warmup_steps=0",
        "per_device_train_batch_size=16",
        "per_device_eval_batch_size=8"
    };

    @TempDir
    Path folder;

    private TrainingRun.Outcome train(String model, String objective, String run, String... more) {
        String[] all = new String[OPTIONS.length + more.length + 2];
        System.arraycopy(OPTIONS, 0, all, 0, OPTIONS.length);
        System.arraycopy(more, 0, all, OPTIONS.length, more.length);
        all[all.length - 2] = "objective=" + objective;
        all[all.length - 1] = "output_dir=" + folder.resolve(run);
        return TinyRuns.train(TinyRuns.blockOf(model, folder, all));
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
    @CsvSource({"modernbert, mlm, MASKED_LM", "bert, nsp, PRE_TRAINING"})
    void theLossFallsFromARecipeAndFromAFolder(String family, String objective, Task task) {
        String model = "{family: %s, %s}".formatted(family, SIZES);
        TrainingRun.Outcome fresh = train(model, objective, "fresh");
        double start = loss(fresh, 0, 3);
        double end = loss(fresh, 17, 20);
        assertTrue(end < 0.9 * start, "from " + start + " to " + end);
        assertFalse(fresh.evaluation().containsKey("eval_bits_per_byte"));
        // The first steps' loss is near that of a guess; a model that learned is below it on unseen text too.
        assertTrue(
                fresh.evaluation().get("eval_loss") < start,
                () -> fresh.evaluation().toString());

        Tokenizer tokenizer = Tokenizer.load(fresh.folder());
        try (LanguageModel saved = LanguageModel.load(fresh.folder(), DType.FP32, Device.CPU)) {
            assertEquals(task, saved.spec().task());
            long pad = tokenizer.special(SpecialToken.PAD_TOKEN).getAsInt();
            assertEquals(pad, ((Number) saved.spec().field("pad_token_id")).longValue());
        }
        TrainingRun.Outcome further =
                train("{path: %s}".formatted(fresh.folder()), objective, "further", "tokenizer=null", "seed=9");
        assertTrue(loss(further, 0, 3) < 0.9 * start, "it goes on where the first run ended");
        // Ten steps each, since whether a text follows is a coin that a few steps only guess.
        assertTrue(loss(further, 10, 20) < loss(fresh, 10, 20), "and learns on");
    }

    @Test
    void whatDoesNotFitIsRefused() {
        String bert = "{family: bert, %s}".formatted(SIZES);
        refused(() -> train(bert, "causal_lm", "a"), "is_decoder: false");
        refused(() -> train("{family: llama, %s}".formatted(SIZES), "mlm", "b"), "llama has no head for masked_lm");
        refused(
                () -> train(bert, "mlm", "c", "tokenizer={special_tokens: [\"[PAD]\"]}"),
                "the tokenizer has no mask_token");
        refused(() -> train(bert, "mlm", "d", "sample_steps=5"), "sample_steps: a model trained by objective mlm");
        refused(
                () -> train(bert, "mlm", "e", "metric_for_best_model=eval_bits_per_byte"),
                "does not predict the whole text");
        refused(
                () -> train(bert, "{type: mlm, mask_replace_prob: 0.8, random_replace_prob: 0.3}", "f"),
                "more than 1 together");
    }

    private static void refused(Executable run, String part) {
        QuernException e = assertThrows(QuernException.class, run);
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }

    /** Micro-batches of a step weigh every hidden token and every pair alike, however the step is cut. */
    @Test
    void aStepInPartsHasTheSameLoss() {
        String[] all = Stream.concat(Arrays.stream(OPTIONS), Stream.of("objective=nsp"))
                .toArray(String[]::new);
        Preparation p =
                Preparation.of(TinyRuns.blockOf("{family: bert, %s}".formatted(SIZES), folder, all), note -> {});
        Batch whole = p.batches().batch(0);
        assertTrue(whole.rows() >= 4, "rows to cut");
        double token = 1.0 / whole.countedTokens();
        double row = 1.0 / whole.rows();
        try (LanguageModel model = p.model()) {
            double together = loss(model, whole, token, row);
            double first = loss(model, part(whole, 0, 3), token, row);
            double rest = loss(model, part(whole, 3, whole.rows()), token, row);
            // Sums of some dozen fp32 losses around 6.
            assertEquals(together, first + rest, 1e-5);
        }
    }

    private static double loss(LanguageModel model, Batch batch, double token, double row) {
        try (Scope scope = Scope.open()) {
            return model.network()
                    .infer(TokenTensors.flow(batch, token, row, Device.CPU), Pass.evaluation())
                    .get("loss")
                    .item();
        }
    }

    private static Batch part(Batch batch, int from, int to) {
        int columns = batch.columns();
        Map<String, Batch.Values> others = new HashMap<>();
        batch.others().forEach((name, values) -> {
            int[] all = ((Batch.Values.Ints) values).values();
            int width = all.length / batch.rows();
            int[] shape = values.shape().clone();
            shape[0] = to - from;
            others.put(name, new Batch.Values.Ints(Arrays.copyOfRange(all, from * width, to * width), shape));
        });
        return new Batch(
                to - from,
                columns,
                Arrays.copyOfRange(batch.inputIds(), from * columns, to * columns),
                Arrays.copyOfRange(batch.labels(), from * columns, to * columns),
                Arrays.copyOfRange(batch.lengths(), from, to),
                others);
    }
}
