package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.MultiTask;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** Models learn several tasks at once; uncertainties weigh them and are resumed with the run. */
class MultiTaskTrainingTest {
    private static final String T5 = "{family: t5, d_model: 32, num_layers: 1, num_heads: 2, dropout_rate: 0.0}";
    private static final String BERT =
            "{family: bert, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 34}";
    private static final String UNCERTAIN =
            "{type: multi_task, weighting: uncertainty, tasks: [{objective: mlm}, {objective: {type: mlm, masking: whole_word, mlm_probability: 0.3}}]}";

    @TempDir
    Path folder;

    private Block recipe(String model, String objective, String run, String... more) {
        return TinyRuns.blockOf(
                model,
                folder,
                Stream.concat(
                                Stream.of(
                                        "tokenizer={type: bpe, vocab_size: 460}",
                                        "data.max_length=32",
                                        "max_steps=20",
                                        "eval_steps=20",
                                        "save_steps=10",
                                        "warmup_steps=0",
                                        "per_device_train_batch_size=8",
                                        "objective=" + objective,
                                        "output_dir=" + folder.resolve(run)),
                                Stream.of(more))
                        .toArray(String[]::new));
    }

    private static double mean(List<Map<String, Double>> lines, String key, int from, int to) {
        return lines.stream()
                .filter(line -> line.containsKey(key))
                .skip(from)
                .limit(to - from)
                .mapToDouble(line -> line.get(key))
                .average()
                .orElseThrow();
    }

    @Test
    void tasksWithTextsOfTheirOwnTakeTurns() throws Exception {
        Path other = folder.resolve("other.txt");
        Files.writeString(other, TinyRuns.text(9, 60));
        String objective =
                "{type: multi_task, tasks: [{objective: span_corruption}, {objective: text_infilling, weight: 2, data: {path: '%s'}}]}"
                        .formatted(other);
        TrainingRun.Outcome run = TinyRuns.train(recipe(T5, objective, "run"));
        List<Map<String, Double>> lines = MetricsLog.read(run.folder());
        double start = mean(lines, "loss", 0, 3);
        assertTrue(mean(lines, "loss", 17, 20) < 0.9 * start, lines::toString);
        assertTrue(run.evaluation().get("eval_loss") < start, run.evaluation()::toString);

        Block again = recipe(T5, objective, "run");
        String before = Preparation.of(again, note -> {}).dataFingerprint();
        Files.writeString(other, TinyRuns.text(10, 60));
        assertFalse(before.equals(Preparation.of(again, note -> {}).dataFingerprint()), "a task's text is data too");
    }

    @Test
    void uncertaintiesSettleByTheLossesAndAreResumed() {
        Path whole = TinyRuns.train(recipe(BERT, UNCERTAIN, "whole", "gradient_accumulation_steps=2"))
                .folder();
        List<Map<String, Double>> lines = MetricsLog.read(whole);
        double start = mean(lines, "loss", 0, 3);
        assertTrue(mean(lines, "loss", 17, 20) < 0.95 * start, lines::toString);
        for (String task : List.of("mlm", "mlm_2")) {
            double first = mean(lines, "task_weight/" + task, 0, 1);
            double last = mean(lines, "task_weight/" + task, 19, 20);
            // A loss of some 5 nats counts ever less, down to 1 / 2L.
            assertTrue(first < 1 && last < first && last > 0.05, first + " to " + last);
        }
        Block halves = recipe(BERT, UNCERTAIN, "halves", "gradient_accumulation_steps=2");
        TinyRuns.trainUntil(halves, 10);
        Path resumed = TinyRuns.resume(folder.resolve("halves")).folder();
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(resumed));
    }

    @Test
    void whatDividesBatchesIsRefused() {
        QuernException e = assertThrows(
                QuernException.class, () -> TinyRuns.train(recipe(BERT, UNCERTAIN, "a", "auto_find_batch_size=true")));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains("divides batches, which objective multi_task can't bear"), e.getMessage());
        String mixed = "{type: multi_task, tasks: [{objective: contrastive}, {objective: contrastive}]}";
        QuernException own = assertThrows(QuernException.class, () -> TinyRuns.train(recipe(BERT, mixed, "b")));
        assertTrue(own.getMessage().contains("has a loss of its own"), own.getMessage());
        assertEquals("multi_task", new MultiTask().id());
    }
}
