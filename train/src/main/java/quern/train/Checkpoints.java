package quern.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import quern.recipe.DurableFiles;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.SafetensorsFile;
import quern.tensor.SafetensorsWriter;
import quern.tensor.Tensor;

/**
 * The checkpoints of a run folder: {@code checkpoint-<step>/}, a model folder with {@code trainer/} beside the model's
 * files. One is written under a temporary name, forced to disk, and renamed in one step; only when it is durable are old
 * ones taken away, each renamed first so that no half-deleted folder ever bears a checkpoint's name.
 */
final class Checkpoints {
    /** The trainer's numbers, below a checkpoint's folder. */
    static final String STATE = "trainer/trainer_state.json";

    private static final String MEMORIES = "trainer/memories.safetensors";

    private static final Pattern NAME = Pattern.compile("checkpoint-(\\d{1,18})");
    private static final Pattern REPLACED = Pattern.compile("\\.checkpoint-(\\d{1,18})\\.replaced");
    private static final String TEMPORARY = ".checkpoint-";
    private static final String PRUNED = ".pruned-checkpoint-";
    /** Room that must be free before a save begins, over the bytes of the tensors: headers, JSON and the tokenizer. */
    private static final double HEADROOM = 1.2;

    /** Writes the files of a model folder that never change: the tokenizer's. */
    interface Companions {
        void write(Path folder);
    }

    private final Path run;
    private final int limit;
    private final boolean async;
    private final Companions companions;
    private FutureTask<Path> pending;
    private Future<Void> copied = CompletableFuture.completedFuture(null);

    /**
     * @param limit how many to keep besides the best; 0 keeps all
     * @param async whether a save goes on beside training
     */
    Checkpoints(Path run, int limit, boolean async, Companions companions) {
        this.run = run;
        this.limit = limit;
        this.async = async;
        this.companions = companions;
        removeLeftovers();
    }

    /** The folder of a step's checkpoint. */
    static Path folder(Path run, long step) {
        return run.resolve("checkpoint-" + step);
    }

    /** The step in a checkpoint folder's name. */
    static OptionalLong step(Path folder) {
        Matcher m = NAME.matcher(
                folder.getFileName() == null ? "" : folder.getFileName().toString());
        return m.matches() ? OptionalLong.of(Long.parseLong(m.group(1))) : OptionalLong.empty();
    }

    /** The run's checkpoints, oldest first. */
    static List<Path> list(Path run) {
        List<Path> all = new ArrayList<>();
        try (Stream<Path> entries = Files.list(run)) {
            entries.filter(p -> Files.isDirectory(p, LinkOption.NOFOLLOW_LINKS))
                    .filter(p -> step(p).isPresent())
                    .forEach(all::add);
        } catch (IOException e) {
            throw QuernException.failed("%s: cannot be listed: %s", run, e.getMessage());
        }
        all.sort(Comparator.comparingLong(p -> step(p).getAsLong()));
        return all;
    }

    /**
     * Waits for the save before this one, then saves: on a thread of its own if it may and the snapshot is a copy, else before
     * this returns. Takes over the snapshot.
     */
    void save(Snapshot snapshot) {
        try {
            await();
            requireSpace(snapshot.bytes());
        } catch (RuntimeException e) {
            snapshot.close();
            throw e;
        }
        begin(
                () -> {
                    try (snapshot) {
                        return write(snapshot);
                    }
                },
                async && snapshot.copied());
    }

    /**
     * Waits for the save before this one, then saves on a thread of its own, which makes the copies too: what they are made of may
     * not change before {@link #awaitCopies}. So even the copying goes on beside the forward and backward pass of the next step.
     *
     * @param bytes of the snapshot's tensors
     * @param copies makes the snapshot, on that thread
     */
    void saveBeside(long bytes, Supplier<Snapshot> copies) {
        await();
        requireSpace(bytes);
        CompletableFuture<Void> made = new CompletableFuture<>();
        copied = made;
        begin(
                () -> {
                    Snapshot snapshot;
                    try {
                        snapshot = copies.get();
                    } finally {
                        made.complete(null);
                    }
                    try (snapshot) {
                        return write(snapshot);
                    }
                },
                true);
    }

    /** Waits until no copies are being made: from here on weights and optimizer may change. */
    void awaitCopies() {
        Awaited.get(copied);
    }

    private void begin(Callable<Path> save, boolean beside) {
        FutureTask<Path> task = new FutureTask<>(save);
        pending = task;
        if (beside) {
            Thread.ofPlatform().name("quern-checkpoint").daemon(false).start(task);
        } else {
            task.run();
            if (task.state() == Future.State.FAILED) {
                await();
            }
        }
    }

    /** The checkpoint that has become durable since the last call, if any; throws what its save threw. */
    Optional<Path> completed() {
        return pending != null && pending.isDone() ? await() : Optional.empty();
    }

    /** Waits until no save is under way; gives the checkpoint it waited for. */
    Optional<Path> await() {
        if (pending == null) {
            return Optional.empty();
        }
        FutureTask<Path> task = pending;
        try {
            return Optional.of(Awaited.get(task));
        } finally {
            pending = null;
        }
    }

    private void requireSpace(long bytes) {
        long needed = (long) (bytes * HEADROOM);
        try {
            long free = Files.getFileStore(run).getUsableSpace();
            if (free < needed) {
                throw QuernException.refused(
                        "%s: a checkpoint needs %,d bytes and %,d are free; free some space, then go on with --resume %s",
                        run, needed, free, run);
            }
        } catch (IOException e) {
            throw DurableFiles.writeFailure(run, needed, e);
        }
    }

    private Path write(Snapshot snapshot) {
        long step = snapshot.state().step;
        Path temporary = run.resolve(TEMPORARY + step);
        Path target = folder(run, step);
        boolean done = false;
        try {
            DurableFiles.deleteTree(temporary);
            Path trainer = temporary.resolve("trainer");
            Files.createDirectories(trainer);
            snapshot.model().write(temporary);
            companions.write(temporary);
            List<SafetensorsFile.Entry> entries = new ArrayList<>();
            snapshot.optimizer().forEach((name, t) -> entries.add(entry(name, t)));
            SafetensorsWriter.write(trainer.resolve("optimizer.safetensors"), entries, Map.of("format", "pt"));
            if (!snapshot.memories().isEmpty()) {
                List<SafetensorsFile.Entry> memories = new ArrayList<>();
                snapshot.memories().forEach((name, t) -> memories.add(entry(name, t)));
                SafetensorsWriter.write(temporary.resolve(MEMORIES), memories, Map.of("format", "pt"));
            }
            DurableFiles.write(
                    temporary.resolve(STATE), Json.pretty(snapshot.state().toJson()));
            Manifest.write(temporary, step);
            DurableFiles.replaceDirectory(temporary, target);
            done = true;
        } catch (IOException e) {
            throw DurableFiles.writeFailure(temporary, snapshot.bytes(), e);
        } finally {
            if (!done) {
                deleteQuietly(temporary);
            }
        }
        prune(snapshot.state());
        return target;
    }

    private static void deleteQuietly(Path folder) {
        try {
            DurableFiles.deleteTree(folder);
        } catch (QuernException e) {
            // The failure that led here is the one to report; the leftover goes when the run is next opened.
            return;
        }
    }

    static SafetensorsFile.Entry entry(String name, Tensor t) {
        return new SafetensorsFile.Entry(name, t.dtype().safetensors(), t.shape(), t.memory());
    }

    /**
     * Takes old checkpoints away, and those past this step: they are of a continuation that was given up when the run was
     * resumed from an earlier checkpoint, and must not be taken for its newest.
     */
    private void prune(TrainerState state) {
        List<Path> all = list(run);
        List<Path> gone = new ArrayList<>(
                all.stream().filter(p -> step(p).getAsLong() > state.step).toList());
        if (limit > 0) {
            List<Path> mine = all.stream()
                    .filter(p -> step(p).getAsLong() <= state.step && step(p).getAsLong() != state.bestStep)
                    .toList();
            gone.addAll(mine.subList(0, Math.max(0, mine.size() - limit)));
        }
        // What a spike leads back to stays, however few are kept.
        gone.removeIf(p -> step(p).getAsLong() == state.rewindStep);
        for (Path old : gone) {
            Path aside = run.resolve(PRUNED + step(old).getAsLong());
            try {
                DurableFiles.deleteTree(aside);
                Files.move(old, aside, StandardCopyOption.ATOMIC_MOVE);
            } catch (IOException e) {
                throw QuernException.failed("%s: the old checkpoint cannot be taken away: %s", old, e.getMessage());
            }
            DurableFiles.deleteTree(aside);
        }
    }

    /**
     * Completes what a kill left behind while a checkpoint took the place of another of the same step, whose old content
     * then lies aside under a temporary name.
     */
    static void recover(Path run) {
        try (Stream<Path> entries = Files.list(run)) {
            for (Path p : entries.toList()) {
                Matcher m = REPLACED.matcher(p.getFileName().toString());
                if (m.matches()) {
                    DurableFiles.recoverDirectory(folder(run, Long.parseLong(m.group(1))));
                }
            }
        } catch (IOException e) {
            throw QuernException.failed("%s: cannot be listed: %s", run, e.getMessage());
        }
    }

    private void removeLeftovers() {
        try (Stream<Path> entries = Files.list(run)) {
            for (Path p : entries.toList()) {
                String name = p.getFileName().toString();
                if (name.startsWith(TEMPORARY) || name.startsWith(PRUNED) || DurableFiles.isTemporary(p)) {
                    DurableFiles.deleteTree(p);
                }
            }
        } catch (IOException e) {
            throw QuernException.failed("%s: cannot be listed: %s", run, e.getMessage());
        }
    }

    /** The trainer's numbers in a checkpoint that was verified. */
    static TrainerState readState(Path checkpoint) {
        Path file = checkpoint.resolve(STATE);
        return TrainerState.fromJson(Json.read(file), file.toString());
    }

    /** The optimizer's state in a checkpoint that was verified, as tensors of the open scope. */
    static Map<String, Tensor> readOptimizer(Path checkpoint) {
        return readTensors(checkpoint.resolve("trainer/optimizer.safetensors"));
    }

    /** The memories in a checkpoint that was verified, as tensors of the open scope; none where the model has none. */
    static Map<String, Tensor> readMemories(Path checkpoint) {
        Path file = checkpoint.resolve(MEMORIES);
        return Files.exists(file) ? readTensors(file) : Map.of();
    }

    private static Map<String, Tensor> readTensors(Path file) {
        Map<String, Tensor> state = new LinkedHashMap<>();
        try (SafetensorsFile f = SafetensorsFile.open(file)) {
            for (String name : f.names()) {
                SafetensorsFile.Entry e = f.entry(name);
                state.put(
                        name,
                        Tensor.copyOf(e.bytes(), DType.ofSafetensors(e.dtype(), file.toString(), name), e.shape()));
            }
        }
        return state;
    }

    /** Copies a checkpoint's model files into the run folder, each in one step, so that the run is a model folder. */
    static void publish(Path checkpoint, Path run) {
        try (Stream<Path> files = Files.list(checkpoint)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                DurableFiles.write(run.resolve(file.getFileName().toString()), Files.size(file), channel -> {
                    try (var in = java.nio.channels.FileChannel.open(file)) {
                        long at = 0;
                        while (at < in.size()) {
                            at += in.transferTo(at, in.size() - at, channel);
                        }
                    }
                });
            }
        } catch (IOException e) {
            throw DurableFiles.writeFailure(run, -1, e);
        }
    }
}
