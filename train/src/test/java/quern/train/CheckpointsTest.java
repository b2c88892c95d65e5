package quern.train;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.models.SaveOptions;
import quern.nn.Regularization;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.Native;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.StagingBuffers;
import quern.tensor.Tensor;
import quern.testkit.Faults;
import quern.testkit.FaultyFileSystem;
import quern.testkit.Seeds;

/** Saves that meet a full disk, errors, changing weights, and files that were damaged later. */
class CheckpointsTest {
    @TempDir
    Path folder;

    private Preparation preparation;
    private LanguageModel model;
    private Optimizer optimizer;
    private StagingBuffers staging;

    @BeforeEach
    void trainOneStep() {
        preparation = Preparation.of(TinyRuns.block(folder), note -> {});
        model = preparation.model();
        optimizer = preparation.optimizer(model.network());
        staging = new StagingBuffers();
        Batch batch = preparation.batches().batch(0);
        new TrainingStep(model.network(), model.device(), optimizer, new GradientClipping(1), Regularization.NONE, 1)
                .take(0, List.of(batch), 1e-2);
    }

    @AfterEach
    void close() {
        staging.close();
        optimizer.close();
        model.close();
    }

    private Snapshot snapshot(long step) {
        return Snapshot.take(model, SaveOptions.DEFAULT, optimizer, state(step), staging);
    }

    private static TrainerState state(long step) {
        TrainerState state = new TrainerState();
        state.step = step;
        return state;
    }

    private Checkpoints checkpoints(Path run, int limit, boolean async) {
        return new Checkpoints(run, limit, async, to -> preparation.tokenizer().save(to));
    }

    private Path run(String name) {
        try {
            return Files.createDirectories(folder.resolve(name));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static List<String> temporary(Path run) {
        return TinyRuns.names(run).stream().filter(n -> n.startsWith(".")).toList();
    }

    private void changeEverything() {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            for (Parameter p : model.parameters()) {
                p.value().fill_(7);
            }
            for (Tensor t : optimizer.state().values()) {
                t.fill_(3);
            }
        }
    }

    @Test
    void aSaveBesideTrainingWritesTheValuesOfItsMoment() {
        Path atOnce = run("at-once");
        checkpoints(atOnce, 0, false).save(snapshot(1));
        Path beside = run("beside");
        Checkpoints async = checkpoints(beside, 0, true);
        long handles = Native.liveHandles();
        long bytes = staging.bytes();
        Snapshot snapshot = snapshot(1);
        changeEverything();
        async.save(snapshot);
        changeEverything();
        assertEquals(Checkpoints.folder(beside, 1), async.await().orElseThrow());
        assertEquals(handles, Native.liveHandles(), "the copies are those of the save before, written over");
        assertEquals(bytes, staging.bytes());
        assertEquals(TinyRuns.content(Checkpoints.folder(atOnce, 1)), TinyRuns.content(Checkpoints.folder(beside, 1)));
        // The change does show in the next save, so equal files above mean something.
        async.save(snapshot(2));
        async.await();
        Map<String, String> later = TinyRuns.content(Checkpoints.folder(beside, 2));
        Map<String, String> before = TinyRuns.content(Checkpoints.folder(beside, 1));
        for (String file : List.of("model.safetensors", "trainer/optimizer.safetensors")) {
            assertFalse(before.get(file).equals(later.get(file)), file);
        }
    }

    @Test
    void aSaveThatIsWaitedForNeedsNoCopies() {
        Path copied = run("copied");
        checkpoints(copied, 0, false).save(snapshot(1));
        staging.close();
        long handles = Native.liveHandles();
        Path live = run("live");
        Checkpoints checkpoints = checkpoints(live, 0, true);
        checkpoints.save(Snapshot.live(model, SaveOptions.DEFAULT, optimizer, state(1)));
        // Already durable, on the training thread: the next step may change everything.
        changeEverything();
        assertEquals(TinyRuns.content(copied), TinyRuns.content(live));
        assertEquals(handles, Native.liveHandles());
        assertEquals(0, staging.bytes());
    }

    @Test
    void evenTheCopyingGoesOnBesideTraining() throws InterruptedException {
        Path atOnce = run("at-once");
        checkpoints(atOnce, 0, false).save(snapshot(1));
        Path beside = run("beside");
        Checkpoints async = checkpoints(beside, 0, true);
        CountDownLatch may = new CountDownLatch(1);
        async.saveBeside(1, () -> {
            try {
                may.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            return snapshot(1);
        });
        Thread update = Thread.ofPlatform().start(() -> {
            async.awaitCopies();
            changeEverything();
        });
        // Nothing may change while the copies are not made.
        assertFalse(update.join(Duration.ofMillis(50)));
        may.countDown();
        assertEquals(Checkpoints.folder(beside, 1), async.await().orElseThrow());
        update.join();
        assertEquals(TinyRuns.content(Checkpoints.folder(atOnce, 1)), TinyRuns.content(Checkpoints.folder(beside, 1)));
    }

    @Test
    void copiesThatFailLetTrainingGoOnToTheError() {
        Checkpoints checkpoints = checkpoints(run("run"), 1, true);
        checkpoints.saveBeside(1, () -> {
            throw QuernException.failed("no copies");
        });
        checkpoints.awaitCopies();
        assertEquals(
                "no copies",
                assertThrows(QuernException.class, checkpoints::await).getMessage());
        checkpoints.save(snapshot(2));
        checkpoints.await();
    }

    @Test
    void copiesInUseAreNotWrittenOver() {
        try (Snapshot first = snapshot(1)) {
            assertThrows(IllegalStateException.class, () -> snapshot(2));
        }
        snapshot(2).close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void noSpaceIsToldBeforeAnythingIsWritten(boolean async) {
        Path real = run("run");
        checkpoints(real, 1, false).save(snapshot(4));
        Map<String, String> before = TinyRuns.content(real);
        Snapshot snapshot = snapshot(8);
        FaultyFileSystem disk = new FaultyFileSystem(new Faults().diskFullAfter(snapshot.bytes()));
        Checkpoints checkpoints = checkpoints(disk.wrap(real), 1, async);
        QuernException e = assertThrows(QuernException.class, () -> checkpoints.save(snapshot));
        assertEquals(ExitCode.REFUSED, e.exitCode());
        String needed = "%,d".formatted((long) (snapshot.bytes() * 1.2));
        assertTrue(e.getMessage().contains("needs " + needed + " bytes"), e.getMessage());
        assertTrue(e.getMessage().contains("%,d are free".formatted(snapshot.bytes())), e.getMessage());
        assertEquals(before, TinyRuns.content(real));
        assertEquals(0, disk.faults().bytesWritten());
    }

    @Test
    void aDiskThatFillsUpWhileSaving() {
        fillDiskAt(24);
    }

    @Test
    @Tag("nightly")
    void aDiskThatFillsUpWhileSavingAtManyOffsets() {
        fillDiskAt(200);
    }

    /** As when another process takes the room after it was checked, which 0 bytes to save stand for. */
    private void fillDiskAt(int offsets) {
        Path real = run("run");
        checkpoints(real, 1, false).save(snapshot(4));
        Map<String, String> before = TinyRuns.content(real);
        FaultyFileSystem counting = new FaultyFileSystem(new Faults());
        checkpoints(counting.wrap(run("other")), 1, false).save(snapshot(8));
        long total = counting.faults().bytesWritten();
        RandomGenerator random = Seeds.stream("disk-full");
        for (int i = 0; i < offsets; i++) {
            long room = i == 0 ? 0 : i == 1 ? total - 1 : random.nextLong(total);
            boolean async = i % 2 == 0;
            Faults faults = new Faults().diskFullAfter(room);
            Checkpoints checkpoints = checkpoints(new FaultyFileSystem(faults).wrap(real), 1, async);
            Snapshot s = snapshot(8);
            QuernException e = assertThrows(
                    QuernException.class,
                    () -> {
                        checkpoints.save(
                                new Snapshot(s.model(), s.optimizer(), s.memories(), s.state(), 0, true, s.end()));
                        checkpoints.await();
                    },
                    "room " + room);
            assertEquals(ExitCode.REFUSED, e.exitCode(), e.getMessage());
            assertTrue(
                    e.getMessage().matches(".*the disk is full: \\d+ bytes needed, \\d+ bytes free.*"), e.getMessage());
            assertEquals(before, TinyRuns.content(real), "the old checkpoint is as it was, and nothing is beside it");
            assertEquals(List.of(), temporary(real));
            assertEquals(0, faults.openChannels());
        }
        checkpoints(real, 1, false).save(snapshot(8));
        assertDoesNotThrow(() -> Manifest.verify(Checkpoints.folder(real, 8)));
    }

    @Test
    void anyOperationMayFailOnce() {
        failEvery(8);
    }

    @Test
    @Tag("nightly")
    void everyOperationMayFailOnce() {
        failEvery(1);
    }

    private void failEvery(int every) {
        RandomGenerator random = Seeds.stream("failing-operations");
        FaultyFileSystem counting = new FaultyFileSystem(new Faults());
        Path real = run("run");
        checkpoints(real, 1, false).save(snapshot(4));
        checkpoints(counting.wrap(real), 1, false).save(snapshot(8));
        List<Faults.Event> journal = counting.faults().journal();
        assertTrue(journal.size() > 40, journal.toString());
        long step = 8;
        for (int n = 1 + random.nextInt(every); n <= journal.size(); n += every) {
            step += 4;
            long next = step;
            Faults faults = new Faults().failNthChange(n, Faults.Error.EIO);
            Checkpoints checkpoints = checkpoints(new FaultyFileSystem(faults).wrap(real), 1, n % 2 == 0);
            try {
                checkpoints.save(snapshot(next));
                checkpoints.await();
                // Only the making of a folder, which the JDK tries a second time, may pass unnoticed.
                assertEquals(
                        Faults.Operation.CREATE_DIRECTORY, journal.get(n - 1).operation(), "change " + n);
                Manifest.verify(Checkpoints.folder(real, next));
            } catch (QuernException e) {
                assertEquals(ExitCode.FAILED, e.exitCode(), e.getMessage());
                assertFalse(e.getMessage().contains("\n"), e.getMessage());
            }
            List<Path> whole = Checkpoints.list(real);
            assertFalse(whole.isEmpty(), "change " + n);
            whole.forEach(Manifest::verify);
            assertEquals(0, faults.openChannels(), "change " + n);
            // What can't be deleted now goes when the run is opened again.
            Checkpoints again = checkpoints(real, 1, false);
            assertEquals(List.of(), temporary(real), "change " + n);
            again.save(snapshot(++step));
            assertEquals(List.of("checkpoint-" + step), TinyRuns.names(real));
            Manifest.verify(Checkpoints.folder(real, step));
        }
    }

    @Test
    void aFailureBesideTrainingIsThrownOnTheTrainingThread() {
        Faults faults = new Faults().failNth(Faults.Operation.WRITE, 2, Faults.Error.ENOSPC);
        Checkpoints checkpoints = checkpoints(new FaultyFileSystem(faults).wrap(run("run")), 1, true);
        checkpoints.save(snapshot(4));
        QuernException e = assertThrows(QuernException.class, () -> {
            while (checkpoints.completed().isEmpty()) {
                Thread.onSpinWait();
            }
        });
        assertEquals(ExitCode.REFUSED, e.exitCode());
        assertTrue(checkpoints.await().isEmpty(), "it is thrown once");
    }

    @Test
    void onlyTheNewestAndTheBestAreKept() {
        Path run = run("run");
        Checkpoints checkpoints = checkpoints(run, 2, true);
        for (long step = 1; step <= 6; step++) {
            checkpoints.await();
            Snapshot s = snapshot(step);
            s.state().bestStep = step < 2 ? -1 : 2;
            checkpoints.save(s);
        }
        checkpoints.await();
        assertEquals(
                List.of("checkpoint-2", "checkpoint-5", "checkpoint-6"),
                TinyRuns.names(run).stream().filter(n -> n.startsWith("check")).toList());
    }

    @Test
    void everyFileIsChecked() throws IOException {
        Path run = run("run");
        checkpoints(run, 1, false).save(snapshot(4));
        Path checkpoint = Checkpoints.folder(run, 4);
        RandomGenerator random = Seeds.stream("flipped-bits");
        List<Path> files = TinyRuns.files(checkpoint);
        assertTrue(files.size() >= 7, files.toString());
        for (Path file : files) {
            byte[] whole = Files.readAllBytes(file);
            boolean manifest = file.endsWith(Manifest.FILE);
            // The manifest can't hold its own checksum, so each of its bytes is tried.
            for (int i = 0; i < (manifest ? whole.length : 8); i++) {
                byte[] flipped = whole.clone();
                int at = manifest ? i : random.nextInt(whole.length);
                flipped[at] ^= (byte) (1 << random.nextInt(8));
                refusedWith(file, flipped, checkpoint, "byte %d: %d".formatted(at, flipped[at]));
            }
            // The manifest ends with a line break, which it can do without.
            refusedWith(file, java.util.Arrays.copyOf(whole, whole.length - 2), checkpoint, "cut");
            refusedWith(file, new byte[0], checkpoint, "emptied");
            Files.delete(file);
            assertNamed(file, assertThrows(QuernException.class, () -> Manifest.verify(checkpoint)), checkpoint);
            Files.write(file, whole);
            assertDoesNotThrow(() -> Manifest.verify(checkpoint));
        }
        Path index = checkpoint.resolve("model.safetensors.index.json");
        Files.writeString(index, "{}");
        assertNamed(index, assertThrows(QuernException.class, () -> Manifest.verify(checkpoint)), checkpoint);
    }

    private static void refusedWith(Path file, byte[] content, Path checkpoint, String how) throws IOException {
        byte[] whole = Files.readAllBytes(file);
        Files.write(file, content);
        QuernException e = assertThrows(QuernException.class, () -> Manifest.verify(checkpoint), file + ", " + how);
        Files.write(file, whole);
        assertNamed(file, e, checkpoint);
    }

    private static void assertNamed(Path file, QuernException e, Path checkpoint) {
        assertEquals(ExitCode.FAILED, e.exitCode(), e.getMessage());
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
        boolean damagedManifest = file.endsWith(Manifest.FILE);
        assertTrue(e.getMessage().contains(damagedManifest ? checkpoint.toString() : file.toString()), e.getMessage());
    }

    @Test
    void aManifestMayNotLeadOutside() throws IOException {
        Path run = run("run");
        checkpoints(run, 1, false).save(snapshot(4));
        Path manifest = Checkpoints.folder(run, 4).resolve(Manifest.FILE);
        String text = Files.readString(manifest);
        List<String> names = new ArrayList<>(
                List.of("../../text.txt", folder.resolve("text.txt").toString()));
        for (String name : names) {
            Files.writeString(manifest, text.replace("\"config.json\"", "\"" + name + "\""));
            QuernException e = assertThrows(QuernException.class, () -> Manifest.verify(Checkpoints.folder(run, 4)));
            assertTrue(e.getMessage().contains("outside the checkpoint"), e.getMessage());
        }
        Files.writeString(manifest, text.replaceFirst("\"format\" : 1", "\"format\" : 2"));
        QuernException e = assertThrows(QuernException.class, () -> Manifest.verify(Checkpoints.folder(run, 4)));
        assertTrue(e.getMessage().contains("checkpoint format 2"), e.getMessage());
    }

    @Test
    void aRenamedCheckpointIsNotWhatItSays() throws IOException {
        Path run = run("run");
        checkpoints(run, 1, false).save(snapshot(4));
        Files.move(Checkpoints.folder(run, 4), Checkpoints.folder(run, 40));
        QuernException e = assertThrows(QuernException.class, () -> Manifest.verify(Checkpoints.folder(run, 40)));
        assertTrue(e.getMessage().contains("checkpoint of step 4"), e.getMessage());
    }
}
