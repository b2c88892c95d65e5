package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.cli.Main;
import quern.cli.Quern;
import quern.testkit.ChildJvm;
import quern.testkit.FaultyFileSystem;
import quern.testkit.RepositoryFiles;
import quern.testkit.SmallDisk;

/** {@code quern train} as a process: signals, and disks that fill up. */
class TrainProcessTest {
    private static final Duration LONG = Duration.ofMinutes(3);
    private static final int STEPS = 40;

    @TempDir
    Path folder;

    private Path recipe;

    @BeforeEach
    void write() throws IOException {
        System.setProperty("quern.home", RepositoryFiles.root().toString());
        Path text = folder.resolve("text.txt");
        Files.writeString(text, "the miller ground her corn at dawn and sang while the stone turned\n".repeat(30));
        recipe = folder.resolve("recipe.yaml");
        Files.writeString(recipe, """
                output_dir: %s
                model: {family: gpt2, n_layer: 2, n_head: 2, n_embd: 16, n_positions: 32, dropout: 0.1}
                tokenizer: char
                data: {path: %s, validation_share: 0.1, max_length: 32}
                learning_rate: 1e-2
                lr_scheduler_type: constant
                per_device_train_batch_size: 4
                max_steps: %d
                logging_steps: 1
                eval_steps: 0
                save_steps: 10
                tensorboard: false
                threads: 2
                """.formatted(folder.resolve("run"), text, STEPS));
    }

    private ChildJvm.Builder quern(String... arguments) {
        return ChildJvm.of(Main.class, arguments)
                .jvmArgs("-Xmx512m", "-Dquern.home=" + RepositoryFiles.root())
                .environment("OMP_WAIT_POLICY", "passive");
    }

    /** Runs a verb in this process, where no start has to be waited for. */
    private static void here(String... arguments) {
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int code = Quern.execute(arguments, System.out, new PrintStream(err, true, StandardCharsets.UTF_8));
        assertEquals(0, code, err.toString(StandardCharsets.UTF_8));
    }

    private static List<String> names(Path folder) {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.map(p -> p.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<String> checkpoints(Path run) {
        return names(run).stream().filter(n -> n.contains("checkpoint-")).toList();
    }

    private static long newest(Path run) {
        return checkpoints(run).stream()
                .mapToLong(n -> Long.parseLong(n.substring("checkpoint-".length())))
                .max()
                .orElseThrow();
    }

    private static void assertOneError(ChildJvm.Result result, int code, String... fragments) {
        assertEquals(code, result.exitCode(), result.stderr());
        List<String> errors = result.stderr()
                .lines()
                .filter(line -> !line.startsWith("WARNING: Using incubator modules"))
                .toList();
        assertEquals(1, errors.size(), result.stderr());
        assertTrue(errors.getFirst().startsWith("quern: error: "), result.stderr());
        for (String fragment : fragments) {
            assertTrue(errors.getFirst().contains(fragment), result.stderr());
        }
    }

    /** Stopped at a step that chance decides, a run goes on to the bits of one that was left alone. */
    private void stopAndResume(Consumer<ChildJvm> stop) throws IOException {
        Path run = folder.resolve("run");
        long stoppedAt;
        try (ChildJvm child =
                quern("train", recipe.toString(), "max_steps=1000000").start()) {
            child.awaitLine(line -> line.startsWith("saved"), LONG);
            stop.accept(child);
            ChildJvm.Result result = child.awaitExit(LONG);
            assertEquals(130, result.exitCode(), result.stderr());
            assertTrue(result.stdout().contains("stopping after this step"), result.stdout());
            assertTrue(result.stdout().contains("--resume " + run), result.stdout());
            stoppedAt = newest(run);
            assertTrue(result.stdout().contains("Stopped after step %,d of".formatted(stoppedAt)), result.stdout());
        }
        long more = stoppedAt + 5;
        here("train", "--resume", run.toString(), "max_steps=" + more);
        here("train", recipe.toString(), "max_steps=" + more, "output_dir=" + folder.resolve("whole"));
        assertArrayEquals(
                Files.readAllBytes(folder.resolve("whole").resolve("model.safetensors")),
                Files.readAllBytes(run.resolve("model.safetensors")));
        assertTrue(names(run).contains("loss.png"), names(run).toString());
    }

    @Test
    void sigtermSavesAndStops() throws IOException {
        stopAndResume(ChildJvm::terminate);
    }

    @Test
    void ctrlCSavesAndStops() throws IOException {
        stopAndResume(ChildJvm::interrupt);
    }

    /** Evaluating a huge part after the first signal takes long, and the second signal does not wait for it. */
    @Test
    void aSecondCtrlCStopsAtOnce() throws IOException {
        Files.writeString(
                folder.resolve("text.txt"),
                "the miller ground her corn at dawn and sang while the stone turned\n".repeat(60_000));
        try (ChildJvm child = quern(
                        "train",
                        recipe.toString(),
                        "data.validation_share=0.9",
                        "eval_steps=2",
                        "save_steps=1000000",
                        "max_steps=1000000")
                .start()) {
            Path metrics = folder.resolve("run").resolve("metrics.jsonl");
            child.awaitLine(line -> line.startsWith("run "), LONG);
            long deadline = System.nanoTime() + LONG.toNanos();
            while (!Files.exists(metrics) || Files.readAllLines(metrics).size() < 2) {
                assertTrue(System.nanoTime() < deadline && child.isAlive(), child.stderr());
                Thread.onSpinWait();
            }
            child.interrupt();
            child.awaitLine(line -> line.startsWith("stopping after this step"), LONG);
            child.interrupt();
            ChildJvm.Result result = child.awaitExit(Duration.ofSeconds(20));
            assertEquals(130, result.exitCode(), result.stderr());
            assertFalse(result.stdout().contains("Stopped after step"), result.stdout());
            assertEquals(List.of(), checkpoints(folder.resolve("run")));
        }
    }

    /** The disk of the process is full at a write of its second checkpoint. */
    @Test
    void aFullDiskIsToldAndTheLastCheckpointStands() throws IOException {
        Path run = folder.resolve("run");
        ChildJvm.Result result = quern("train", recipe.toString())
                .jvmArgs(FaultyFileSystem.jvmArgs("only:**/.checkpoint-20/**;WRITE:2+:ENOSPC"))
                .run(LONG);
        assertOneError(result, 3, "the disk is full", "bytes needed", "bytes free", ".checkpoint-20");
        assertEquals(List.of("checkpoint-10"), checkpoints(run));
        here("train", "--resume", run.toString());
        assertEquals(STEPS, newest(run));
    }

    /** A real disk of a few hundred kilobytes, on which a run with all its checkpoints finds no room. */
    @Test
    void aSmallDiskFillsUp() throws IOException {
        Path mountPoint = Files.createDirectory(folder.resolve("disk"));
        SmallDisk disk;
        try {
            disk = SmallDisk.mount(mountPoint, 600_000);
        } catch (IOException e) {
            Assumptions.abort("no small disk here: " + e.getMessage());
            return;
        }
        try (disk) {
            Path run = disk.path().resolve("run");
            ChildJvm.Result result = quern(
                            "train", recipe.toString(), "output_dir=" + run, "save_steps=1", "save_total_limit=0")
                    .on(disk)
                    .run(LONG);
            assertOneError(result, 3, "bytes", "free", run.toString());
            List<String> left = new ArrayList<>(checkpoints(disk.seenFromHere(run)));
            assertFalse(left.isEmpty());
            assertFalse(left.stream().anyMatch(n -> n.startsWith(".")), left.toString());
        }
    }
}
