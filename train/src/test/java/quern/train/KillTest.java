package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.testkit.ChildJvm;
import quern.testkit.ProcessKiller;
import quern.testkit.Seeds;

/**
 * {@code kill -9} at random moments of a training that saves after every step and keeps one checkpoint, so that it is
 * killed while it trains, writes, renames and prunes. Whatever is left resumes to the bits of the unbroken run.
 */
@Tag("each-path-nightly")
class KillTest {
    private static final Duration START = Duration.ofMinutes(2);
    private static final int STEPS = 120;

    @TempDir
    Path folder;

    private Path recipe() throws IOException {
        return recipe(TinyRuns.recipe(folder), STEPS);
    }

    private Path recipe(String recipe, int steps) throws IOException {
        Path file = folder.resolve("recipe.yaml");
        Files.writeString(
                file,
                recipe.replace("max_steps: 12", "max_steps: " + steps)
                        .replace("save_steps: 4", "save_steps: 1\nsave_total_limit: 1\ntensorboard: false")
                        .replace("eval_steps: 5", "eval_steps: 50"));
        return file;
    }

    @Test
    void threeKills() throws IOException {
        killAndResume(3, recipe(), STEPS);
    }

    /** The order of packed documents comes back too. */
    @Test
    void aKillAmongPackedDocuments() throws IOException {
        killAndResume(1, recipe(TinyRuns.instructions(folder), 30), 30);
    }

    @Test
    @Tag("nightly")
    void twentyKills() throws IOException {
        killAndResume(20, recipe(), STEPS);
    }

    @Test
    void twoKillsOfHandWrittenBlocks() throws IOException {
        assertHandWritten(killAndResume(2, recipe(TinyRuns.wideRecipe(folder), STEPS), STEPS));
    }

    @Test
    @Tag("nightly")
    void tenKillsOfHandWrittenBlocks() throws IOException {
        assertHandWritten(killAndResume(10, recipe(TinyRuns.wideRecipe(folder), STEPS), STEPS));
    }

    private static void assertHandWritten(Path run) {
        assertEquals(TinyRuns.takesHandWrittenBlocks() ? 2 : 0, TinyRuns.blocksByHand(run));
    }

    /**
     * The children are all killed in one run, each resuming what the last one left; then the rest is trained here. Returns the
     * unbroken run.
     */
    private Path killAndResume(int kills, Path recipe, int steps) throws IOException {
        Path whole =
                TinyRuns.train(quern.recipe.RecipeFile.load(recipe, List.of())).folder();
        RandomGenerator random = Seeds.stream("kills");
        ProcessKiller killer = new ProcessKiller(random);
        Path killed = folder.resolve("run-2");
        List<String> moments = new ArrayList<>();
        for (int i = 0; i < kills; i++) {
            boolean begun = Files.exists(killed.resolve(RunFolder.RECIPE));
            ChildJvm.Builder child = begun
                    ? ChildJvm.of(TrainingChild.class, "resume", killed.toString())
                    : ChildJvm.of(TrainingChild.class, "start", recipe.toString());
            // The kill comes some saves after the start, then at any moment of a step and its save.
            AtomicInteger saves = new AtomicInteger(random.nextInt(i == 0 ? 1 : 0, 2 + steps / (2 * kills)));
            try (ChildJvm process =
                    child.environment("OMP_WAIT_POLICY", "passive").start()) {
                ProcessKiller.Kill kill = killer.whenLine(
                        process,
                        line -> line.startsWith("begins") && saves.get() == 0
                                || line.startsWith("saved") && saves.decrementAndGet() <= 0,
                        Duration.ofMillis(60),
                        START);
                moments.add(describe(kill, killed));
            }
            // One checkpoint or none yet, and never one that is not whole.
            Checkpoints.list(killed).forEach(Manifest::verify);
        }
        System.out.println("Killed: " + String.join("; ", moments));
        TinyRuns.resume(killed);
        Map<String, String> expected = TinyRuns.content(Checkpoints.folder(whole, steps));
        Map<String, String> actual = TinyRuns.content(Checkpoints.folder(killed, steps));
        for (String file : List.of("model.safetensors", "trainer/optimizer.safetensors", Checkpoints.STATE)) {
            assertTrue(expected.get(file).equals(actual.get(file)), file + " differs after " + moments);
        }
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(killed), moments.toString());
        assertEquals(checkpoints(whole), checkpoints(killed), moments.toString());
        return whole;
    }

    private static String describe(ProcessKiller.Kill kill, Path run) {
        List<String> hidden = TinyRuns.names(run).stream()
                .filter(n -> n.contains("checkpoint-"))
                .toList();
        return "%s after %d ms leaving %s"
                .formatted(kill.killed() ? "killed" : "ended", kill.after().toMillis(), hidden);
    }

    private static List<String> checkpoints(Path run) {
        return TinyRuns.names(run).stream()
                .filter(n -> n.contains("checkpoint-"))
                .toList();
    }

    @Test
    void oneRunFolderHasOneProcess() throws IOException {
        Path run = folder.resolve("run");
        try (ChildJvm child = ChildJvm.of(TrainingChild.class, "start", recipe().toString(), "max_steps=1000000")
                .environment("OMP_WAIT_POLICY", "passive")
                .start()) {
            child.awaitLine(line -> line.startsWith("saved"), START);
            QuernException e = assertThrows(QuernException.class, () -> TinyRuns.resume(run));
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertTrue(e.getMessage().contains("another process is training"), e.getMessage());
        }
        // The lock goes with its process.
        try (TrainingRun resumed = TrainingRun.resume(run, List.of(), note -> {})) {
            assertTrue(resumed.step() > 0);
            QuernException e = assertThrows(QuernException.class, () -> TinyRuns.resume(run));
            assertTrue(e.getMessage().contains("another process is training"), e.getMessage());
        }
    }
}
