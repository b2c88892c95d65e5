package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.recipe.Block;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;

/** Stages follow each other, grow the model without moving its loss, and go on to the bit after a stop. */
class StagedTrainingTest {
    private static final String GPT2 = "stages=[{name: small, model: {n_layer: 1}, max_steps: 5, warmup_steps: 0},"
            + " {name: deep, model: {n_layer: 3}, grow: stack, max_steps: 4, learning_rate: 3e-3},"
            + " {name: wide, model: {n_embd: 32, n_head: 4}, grow: width, max_steps: 3}]";
    private static final String LLAMA =
            "stages=[{name: small, model: {num_hidden_layers: 1}, max_steps: 5, warmup_steps: 0},"
                    + " {name: deep, model: {num_hidden_layers: 3}, grow: stack, max_steps: 4, learning_rate: 3e-3},"
                    + " {name: wide, model: {hidden_size: 32, num_attention_heads: 4, intermediate_size: 50},"
                    + " grow: width, max_steps: 3}]";
    private static final long STEPS = 12;

    @TempDir
    Path folder;

    private Path run() {
        return folder.resolve("run");
    }

    private Block recipe(String family, String... overrides) {
        List<String> all = new ArrayList<>(List.of(family.equals("gpt2") ? GPT2 : LLAMA, "warmup_steps=1"));
        all.addAll(List.of(overrides));
        return TinyRuns.blockOf(
                family.equals("gpt2") ? TinyRuns.GPT2 : TinyRuns.LLAMA, folder, all.toArray(String[]::new));
    }

    private static TrainingRun.Outcome train(StagedTraining training) {
        try (training) {
            return training.train((stage, stages, earlier, run) -> {});
        }
    }

    /** Trains until so many steps of all stages are taken. */
    private static TrainingRun.Outcome trainUntil(StagedTraining training, long stop) {
        try (training) {
            return training.train((stage, stages, earlier, run) -> run.addHook(new TrainingHook() {
                @Override
                public void onStep(TrainingProgress progress, StepResult result) {
                    if (earlier + progress.step() == stop) {
                        training.requestStop();
                    }
                }
            }));
        }
    }

    private static StagedTraining resume(Path run, String... overrides) {
        return StagedTraining.resume(run, List.of(overrides), note -> {});
    }

    private static void assertSameModel(Path expected, Path actual) {
        assertEquals(
                TinyRuns.content(expected).get("model.safetensors"),
                TinyRuns.content(actual).get("model.safetensors"));
        assertEquals(TinyRuns.metrics(expected), TinyRuns.metrics(actual));
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama"})
    void stagesGrowTheModel(String family) {
        List<String> notes = new ArrayList<>();
        TrainingRun.Outcome outcome = train(StagedTraining.start(recipe(family), notes::add));
        assertEquals(TrainingRun.Ending.DONE, outcome.ending());
        assertEquals(STEPS, outcome.steps());
        assertEquals(run(), outcome.folder());
        assertTrue(outcome.evaluation().containsKey("eval_loss"));
        List<String> grown = notes.stream().filter(n -> n.startsWith("grown (")).toList();
        assertEquals(2, grown.size(), notes.toString());
        for (String note : grown) {
            String[] losses = note.replaceAll(".*batch ([0-9.]+) before, ([0-9.]+) after.*", "$1 $2")
                    .split(" ");
            assertEquals(losses[0], losses[1], note);
        }
        try (LanguageModel last = LanguageModel.load(run(), DType.FP32, Device.CPU);
                LanguageModel first = LanguageModel.load(run().resolve("stage-1-small"), DType.FP32, Device.CPU)) {
            assertTrue(last.parameterCount() > 3 * first.parameterCount());
        }
        List<Map<String, Double>> metrics = TinyRuns.metrics(run());
        List<Double> stages = metrics.stream()
                .filter(m -> m.containsKey("loss"))
                .map(m -> m.get("stage"))
                .toList();
        assertEquals(List.of(1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0), stages);
        assertEquals(STEPS, metrics.getLast().get("step"));
        List<Double> tokens = metrics.stream()
                .filter(m -> m.containsKey("loss"))
                .map(m -> m.get(MetricsLog.TOKENS))
                .toList();
        assertEquals(tokens.stream().sorted().distinct().toList(), tokens, "tokens grow from stage to stage");
        assertEquals((double) outcome.tokens(), tokens.getLast());
    }

    @ParameterizedTest
    @CsvSource({"gpt2, fp32", "llama, bf16"})
    void aStopAnywhereGoesOnToTheSameBits(String family, String precision) {
        Block recipe = recipe(family, "precision=" + precision);
        Path whole = train(StagedTraining.start(recipe, note -> {})).folder();
        Path parts = trainUntil(StagedTraining.start(recipe, note -> {}), 2).folder();
        assertFalse(Files.exists(parts.resolve("model.safetensors")), "a stopped run is no model folder yet");
        for (long stop : new long[] {5, 6, 9, 11}) {
            assertEquals(
                    TrainingRun.Ending.STOPPED, trainUntil(resume(parts), stop).ending(), "stop at " + stop);
        }
        assertEquals(TrainingRun.Ending.DONE, train(resume(parts)).ending());
        assertSameModel(whole, parts);
    }

    /** What a kill leaves: a stage whose folder was made, with or without its recipe, and no checkpoint. */
    @Test
    void aStageThatWasHardlyBegunBeginsAnew() {
        Block recipe = recipe("llama");
        Path whole = train(StagedTraining.start(recipe, note -> {})).folder();
        Path parts = trainUntil(StagedTraining.start(recipe, note -> {}), 7).folder();
        Path second = parts.resolve("stage-2-deep");
        Checkpoints.list(second).forEach(DurableFiles::deleteTree);
        trainUntil(resume(parts), 10);
        Path third = parts.resolve("stage-3-wide");
        DurableFiles.deleteTree(third.resolve(RunFolder.RECIPE));
        train(resume(parts));
        assertSameModel(whole, parts);
    }

    @Test
    void aFinishedRunResumesToItselfAndMayGoOn() {
        Path run = train(StagedTraining.start(recipe("gpt2"), note -> {})).folder();
        Map<String, String> before = TinyRuns.content(run.resolve("stage-3-wide/checkpoint-3"));
        TrainingRun.Outcome again = train(resume(run, "threads=1"));
        assertEquals(STEPS, again.steps());
        assertEquals(before, TinyRuns.content(run.resolve("stage-3-wide/checkpoint-3")));
        QuernException refused = assertThrows(QuernException.class, () -> resume(run, "learning_rate=1"));
        assertTrue(refused.getMessage().contains("learning_rate can't change"), refused.getMessage());
        QuernException ineffective = assertThrows(QuernException.class, () -> resume(run, "max_steps=30"));
        assertTrue(ineffective.getMessage().contains("every stage has its own"), ineffective.getMessage());
        QuernException plain = assertThrows(QuernException.class, () -> TrainingRun.resume(run, List.of(), note -> {}));
        assertTrue(plain.getMessage().contains("a run of several stages"), plain.getMessage());
    }

    @Test
    void growsFromAFolderWithoutStages() throws Exception {
        Path small = TinyRuns.train(TinyRuns.blockOf(TinyRuns.LLAMA, folder, "max_steps=3"))
                .folder();
        List<String> notes = new ArrayList<>();
        Block recipe = TinyRuns.blockOf(TinyRuns.LLAMA, folder, "model=null", "tokenizer=null")
                .with("model", Map.of("path", small.toString(), "num_hidden_layers", 4))
                .with("grow", Map.of("method", "copy"))
                .with("max_steps", 2);
        try (TrainingRun run = TrainingRun.start(recipe, notes::add)) {
            run.train();
            assertEquals(4, ((Number) ModelSpec.read(run.folder()).field("num_hidden_layers")).intValue());
        }
        String told = notes.stream()
                .filter(n -> n.startsWith("grown (copy)"))
                .findFirst()
                .orElseThrow();
        String[] losses = told.replaceAll(".*batch ([0-9.]+) before, ([0-9.]+) after.*", "$1 $2")
                .split(" ");
        assertFalse(losses[0].equals(losses[1]), told);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "[{name: a, max_steps: 2}, {name: b, model: {num_hidden_layers: 3}}] | stage 'b': | say how it grows (grow: stack or width)",
                "[{name: a}, {name: b, model: {num_hidden_layers: 1}, grow: stack}] | stage 'b': | growing takes no layers away",
                "[{name: a}, {name: b, model: {hidden_size: 32}, grow: width}] | stage 'b': | size of a head would change from 8 to 16",
                "[{name: a}, {name: b, grow: stack}] | stage 'b': | growing by layers adds none",
                "[{name: a, grow: stack}] | stage 'a': | has no effect on a new model",
                "[{name: a}, {name: b, grow: sideways}] | | expected one of stack, width, copy, found 'sideways'",
                "[{name: a}, {name: a}] | | name: 'a' is another stage's",
                "[{name: ../a}] | | name: '../a' can't name a folder",
                "[{max_steps: 2}] | | name",
                "[{name: a, output_dir: x}] | | output_dir: a stage has none of its own",
                "[{name: a, stages: []}] | | stages: a stage has none of its own",
                "[{name: a}, {name: b, tokenizer: char}] | | tokenizer: a later stage reads with that of the first",
                "[{name: a}, {name: b, model: {path: x}}] | | model: path: a later stage begins from the model of the stage before",
                "[{name: a}, {name: b, lerning_rate: 1}] | | unknown key 'lerning_rate'",
            })
    void refusesBeforeAnythingIsTrained(String stages, String start, String expected) {
        Block recipe = TinyRuns.blockOf(TinyRuns.LLAMA, folder, "stages=" + stages);
        QuernException refused = assertThrows(
                QuernException.class,
                () -> StagedTraining.start(recipe, note -> {}).close());
        assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
        assertTrue(refused.getMessage().contains(expected), refused.getMessage());
        assertTrue(start == null || refused.getMessage().startsWith(start.strip()), refused.getMessage());
        assertEquals(1, refused.getMessage().lines().count());
        assertFalse(Files.exists(run()));
    }

    @Test
    void refusesGrowBesideStagesAndStagesWhereOneTrainingIsMeant() {
        QuernException beside = assertThrows(
                QuernException.class,
                () -> StagedTraining.start(recipe("llama", "grow=stack"), note -> {})
                        .close());
        assertTrue(beside.getMessage().contains("grow: belongs in the stage"), beside.getMessage());
        QuernException single = assertThrows(QuernException.class, () -> TinyRuns.train(recipe("llama")));
        assertTrue(single.getMessage().contains("stages: are several trainings"), single.getMessage());
    }
}
