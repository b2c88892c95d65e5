package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** N steps are k steps, a resume and N - k steps, to the bit: every file of the last checkpoint and every metric. */
@Tag("each-path-nightly")
class ResumeTest {
    private static final long LAST = 12;

    @TempDir
    Path folder;

    private Path run() {
        return folder.resolve("run");
    }

    /** The whole last checkpoint: weights, optimizer, trainer's numbers, model card, manifest with all checksums. */
    private static void assertSameRun(Path expected, Path actual, long last) {
        Map<String, String> whole = TinyRuns.content(Checkpoints.folder(expected, last));
        Map<String, String> resumed = TinyRuns.content(Checkpoints.folder(actual, last));
        // The card's title is the run folder's name, and so is its checksum another one.
        assertEquals(whole.keySet(), resumed.keySet());
        for (String file : whole.keySet()) {
            if (!file.equals("README.md") && !file.equals(Manifest.FILE)) {
                assertTrue(whole.get(file).equals(resumed.get(file)), file + " differs");
            }
        }
        assertEquals(TinyRuns.metrics(expected), TinyRuns.metrics(actual));
        assertEquals(
                TinyRuns.content(expected).get("samples.jsonl"),
                TinyRuns.content(actual).get("samples.jsonl"));
        assertEquals(
                TinyRuns.content(expected).get("model.safetensors"),
                TinyRuns.content(actual).get("model.safetensors"));
    }

    /** An epoch has 29 rows with packing and 36 without, so 12 steps of 2 x 4 rows cross two boundaries. */
    @ParameterizedTest
    @CsvSource({
        "fp32, gpt2, 1, false, true, 5",
        "fp32, gpt2, 2, true, false, 3",
        "bf16, gpt2, 2, false, true, 7",
        "bf16, llama, 1, true, false, 1",
        "fp16, llama, 2, true, false, 6",
        "fp16, gpt2, 1, false, true, 5",
        "fp32, llama, 2, true, true, 11",
        "fp32, wide gpt2, 1, false, true, 5",
        "bf16, wide llama, 2, true, true, 7",
        "fp32, custom, 1, false, true, 5",
        "bf16, custom, 2, true, false, 3"
    })
    void resumedRunEqualsUnbrokenOne(
            String precision, String family, int accumulation, boolean checkpointing, boolean packing, long k)
            throws IOException {
        Files.writeString(folder.resolve("text.txt"), TinyRuns.text(5, 10));
        boolean wide = family.startsWith("wide");
        String model = Map.of(
                        "gpt2", TinyRuns.GPT2,
                        "llama", TinyRuns.LLAMA,
                        "custom", TinyRuns.CUSTOM,
                        "wide gpt2", TinyRuns.WIDE_GPT2,
                        "wide llama", TinyRuns.WIDE_LLAMA)
                .get(family);
        String[] overrides = {
            "precision=" + precision,
            "gradient_accumulation_steps=" + accumulation,
            "gradient_checkpointing=" + checkpointing,
            "data.packing=" + packing,
            "data.text_unit=line",
            "sample_steps=3",
            "sample_max_new_tokens=5",
            wide ? TinyRuns.LONG : "data.max_length=16"
        };
        TrainingRun.Outcome whole = TinyRuns.train(TinyRuns.blockOf(model, folder, overrides));
        assertEquals(run(), whole.folder());
        TrainingRun.Outcome part = TinyRuns.trainUntil(TinyRuns.blockOf(model, folder, overrides), k);
        assertEquals(TrainingRun.Ending.STOPPED, part.ending());
        assertEquals(k, part.steps());
        assertFalse(Files.exists(part.folder().resolve("model.safetensors")), "a stopped run is no model folder yet");

        TrainingRun.Outcome end = TinyRuns.resume(part.folder());

        assertEquals(TrainingRun.Ending.DONE, end.ending());
        assertEquals(whole.tokens(), end.tokens());
        assertSameRun(whole.folder(), part.folder(), LAST);
        if (wide) {
            assertEquals(TinyRuns.takesHandWrittenBlocks() ? 2 : 0, TinyRuns.blocksByHand(whole.folder()));
        }
    }

    @Test
    void stopsAtEveryStepAddUpToOneRun() {
        Path whole = TinyRuns.train(TinyRuns.block(folder, "max_steps=6")).folder();
        Path parts =
                TinyRuns.trainUntil(TinyRuns.block(folder, "max_steps=6"), 1).folder();
        for (long step = 2; step < 6; step++) {
            assertEquals(
                    TrainingRun.Ending.STOPPED,
                    TinyRuns.resumeUntil(parts, step).ending());
        }
        TinyRuns.resume(parts);
        assertSameRun(whole, parts, 6);
    }

    @Test
    void aStopBeforeTheFirstStepSavesTheStart() {
        Path whole = TinyRuns.train(TinyRuns.block(folder)).folder();
        Path stopped;
        try (TrainingRun run = TrainingRun.start(TinyRuns.block(folder), note -> {})) {
            run.requestStop();
            TrainingRun.Outcome outcome = run.train();
            assertEquals(TrainingRun.Ending.STOPPED, outcome.ending());
            assertEquals(0, outcome.steps());
            stopped = outcome.folder();
        }
        assertTrue(Files.isDirectory(stopped.resolve("checkpoint-0")));
        TinyRuns.resume(stopped);
        assertSameRun(whole, stopped, LAST);
    }

    @Test
    void aFinishedRunResumesToItself() {
        Path run = TinyRuns.train(TinyRuns.block(folder)).folder();
        Map<String, String> before = TinyRuns.content(run.resolve("checkpoint-12"));
        List<Map<String, Double>> metrics = TinyRuns.metrics(run);
        TrainingRun.Outcome again = TinyRuns.resume(run);
        assertEquals(TrainingRun.Ending.DONE, again.ending());
        assertEquals(LAST, again.steps());
        assertEquals(metrics.getLast().get("eval_loss"), again.evaluation().get("eval_loss"));
        assertEquals(before, TinyRuns.content(run.resolve("checkpoint-12")));
        assertEquals(metrics, TinyRuns.metrics(run));
    }

    /** With a constant rate the first steps do not depend on how many follow. */
    @Test
    void moreStepsContinueAFinishedRun() {
        String[] constant = {"lr_scheduler_type=constant", "warmup_steps=0", "eval_steps=0", "logging_steps=3"};
        Path longer = TinyRuns.train(TinyRuns.block(folder, constant)).folder();
        String[] shorter = java.util.Arrays.copyOf(constant, constant.length + 1);
        shorter[constant.length] = "max_steps=6";
        Path grown = TinyRuns.train(TinyRuns.block(folder, shorter)).folder();
        TrainingRun.Outcome end = TinyRuns.resume(grown, "max_steps=12");
        assertEquals(TrainingRun.Ending.DONE, end.ending());
        Map<String, String> expected = TinyRuns.content(longer.resolve("checkpoint-12"));
        Map<String, String> actual = TinyRuns.content(grown.resolve("checkpoint-12"));
        for (String file : List.of("model.safetensors", "trainer/optimizer.safetensors")) {
            assertTrue(expected.get(file).equals(actual.get(file)), file + " differs");
        }
    }

    @Test
    void aRunWithoutCheckpointBeginsAnew() throws IOException {
        Path whole = TinyRuns.train(TinyRuns.block(folder)).folder();
        Path killed = TinyRuns.trainUntil(TinyRuns.block(folder), 3).folder();
        // What a kill before the first checkpoint leaves: metrics that are ahead, and a save under way.
        Files.move(killed.resolve("checkpoint-3"), killed.resolve(".checkpoint-3"));
        TinyRuns.resume(killed);
        assertSameRun(whole, killed, LAST);
        assertFalse(Files.exists(killed.resolve(".checkpoint-3")));
    }

    @Test
    void aLineThatWasCutShortIsDropped() throws IOException {
        Path whole = TinyRuns.train(TinyRuns.block(folder)).folder();
        Path killed = TinyRuns.trainUntil(TinyRuns.block(folder), 5).folder();
        byte[] cutWithinACharacter = {'{', '"', 'l', 'o', (byte) 0xc3};
        Files.write(killed.resolve("metrics.jsonl"), cutWithinACharacter, StandardOpenOption.APPEND);
        Files.write(killed.resolve("samples.jsonl"), cutWithinACharacter, StandardOpenOption.APPEND);
        TinyRuns.resume(killed);
        assertSameRun(whole, killed, LAST);
    }

    @Test
    void aDamagedMetricsLineIsNamed() throws IOException {
        Path run = TinyRuns.trainUntil(TinyRuns.block(folder), 5).folder();
        Path file = run.resolve("metrics.jsonl");
        List<String> lines = Files.readAllLines(file);
        lines.set(1, "{\"step\": ");
        Files.write(file, lines, StandardCharsets.UTF_8);
        QuernException e = assertThrows(QuernException.class, () -> TinyRuns.resume(run));
        assertEquals(ExitCode.FAILED, e.exitCode());
        assertTrue(e.getMessage().contains("metrics.jsonl: line 2"), e.getMessage());
    }

    /** The steps past a named checkpoint are taken again, so what was made of them the first time must not win. */
    @Test
    void anEarlierCheckpointMayBeNamed() {
        Path whole =
                TinyRuns.train(TinyRuns.block(folder, "save_total_limit=0")).folder();
        Path run = TinyRuns.train(TinyRuns.block(folder, "save_total_limit=0")).folder();
        TrainingRun.Outcome stopped = TinyRuns.resumeUntil(run.resolve("checkpoint-4"), 6, "save_total_limit=1");
        assertEquals(TrainingRun.Ending.STOPPED, stopped.ending());
        assertEquals(6, stopped.steps());
        List<String> left = TinyRuns.names(run).stream()
                .filter(name -> name.startsWith("checkpoint-"))
                .toList();
        // The best so far is of step 5, of which no checkpoint was wanted.
        assertEquals(List.of("checkpoint-6"), left);
        TinyRuns.resume(run);
        assertSameRun(whole, run, LAST);
    }

    @Test
    void changesThatWouldMeanAnotherRunAreRefused() {
        Path run = TinyRuns.trainUntil(TinyRuns.block(folder), 4).folder();
        for (String change : List.of(
                "learning_rate=2e-2",
                "seed=4",
                "precision=bf16",
                "data.max_length=8",
                "model.n_layer=1",
                "optim=sgd",
                "per_device_train_batch_size=2",
                "gradient_accumulation_steps=2",
                "warmup_steps=0",
                "lr_scheduler_type=cosine",
                "max_grad_norm=0",
                "output_dir=elsewhere")) {
            QuernException e = assertThrows(QuernException.class, () -> TinyRuns.resume(run, change), change);
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertTrue(e.getMessage().contains(change.replaceAll("[.=].*", "")), e.getMessage());
        }
        assertEquals(5, TinyRuns.resumeUntil(run, 5, "logging_steps=2").steps(), "the run still resumes");
    }

    @Test
    void anotherTextIsRefused() throws IOException {
        Path run = TinyRuns.trainUntil(TinyRuns.block(folder), 4).folder();
        String text = Files.readString(folder.resolve("text.txt"));
        Files.writeString(folder.resolve("text.txt"), text.replaceFirst("miller", "rellim"));
        QuernException e = assertThrows(QuernException.class, () -> TinyRuns.resume(run));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains("the text is not the one"), e.getMessage());
        Files.writeString(folder.resolve("text.txt"), text);
        assertEquals(LAST, TinyRuns.resume(run).steps());
    }

    @Test
    void whatIsNoRunFolderIsRefused() throws IOException {
        Path empty = Files.createDirectory(folder.resolve("empty"));
        for (Path wrong :
                List.of(folder.resolve("missing"), empty, folder.resolve("run").resolve("checkpoint-99"))) {
            QuernException e = assertThrows(QuernException.class, () -> TinyRuns.resume(wrong));
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertTrue(e.getMessage().startsWith(wrong.toString()), e.getMessage());
        }
    }

    /** A kill between the two renames of a checkpoint that takes the place of another of its step. */
    @Test
    void aCheckpointSetAsideIsBroughtBack() throws IOException {
        Path whole = TinyRuns.train(TinyRuns.block(folder)).folder();
        Path killed = TinyRuns.trainUntil(TinyRuns.block(folder), 5).folder();
        for (String name : TinyRuns.names(killed)) {
            if (name.equals("checkpoint-4")) {
                quern.recipe.DurableFiles.deleteTree(killed.resolve(name));
            }
        }
        Files.move(killed.resolve("checkpoint-5"), killed.resolve(".checkpoint-5.replaced"));
        try (TrainingRun run = TrainingRun.resume(killed, List.of(), note -> {})) {
            assertEquals(5, run.step());
            run.train();
        }
        assertSameRun(whole, killed, LAST);
    }
}
