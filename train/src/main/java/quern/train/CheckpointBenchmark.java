package quern.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.models.SaveOptions;
import quern.nn.Regularization;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.recipe.Block;
import quern.recipe.DurableFiles;
import quern.recipe.Position;
import quern.recipe.Precision;
import quern.recipe.QuernException;
import quern.recipe.Techniques;
import quern.tensor.Device;
import quern.tensor.StagingBuffers;

/**
 * Times how long a checkpoint of a {@link Workload}'s model with AdamW keeps training waiting: a save that training waits for
 * ({@code save_async: false}), and one that goes on beside its next step, in turns. Both check the weights, write, force to disk,
 * rename and take the checkpoint before away.
 */
public final class CheckpointBenchmark {
    private static final Position HERE = Position.of("the benchmark");

    /**
     * What is timed.
     *
     * @param model the label of a {@link Workload}, whose batch is that of the steps
     * @param pairs saves of each kind
     * @param folder where the checkpoints go, in a folder of their own that is deleted in the end
     */
    public record Settings(String model, Precision precision, int pairs, int threads, Path folder) {}

    /**
     * One save of each kind.
     *
     * @param fullSeconds that training waits for a save on its own thread
     * @param blockedSeconds that training waits for a save beside it: where it begins, and before the next update
     * @param besideSeconds from the beginning of that save until it is durable and the step beside it has ended
     * @param stepSeconds a step alone
     * @param stepBesideSeconds a step beside which that save is made, its waiting included
     */
    public record Pair(
            double fullSeconds,
            double blockedSeconds,
            double besideSeconds,
            double stepSeconds,
            double stepBesideSeconds) {}

    /**
     * All of it.
     *
     * @param bytes of a checkpoint's tensors
     * @param stagingBytes that a save beside training takes in memory
     * @param firstBlockedSeconds that the first save beside training blocks it, whose copies need new memory
     * @param stepSeconds medians, as in {@link Pair}
     * @param fullSeconds medians, as in {@link Pair}
     * @param blockedShare the median of the pairs' ratios, blocked to full
     */
    public record Result(
            String model,
            long parameters,
            String precision,
            int threads,
            long bytes,
            long stagingBytes,
            double firstBlockedSeconds,
            double fullSeconds,
            double blockedSeconds,
            double besideSeconds,
            double stepSeconds,
            double stepBesideSeconds,
            double blockedShare,
            List<Pair> pairs) {}

    private final LanguageModel model;
    private final Optimizer optimizer;
    private final TrainingStep step;
    private final Path run;
    private final StagingBuffers staging;
    private final Batch batch;
    private long bytes;
    private long saved;

    private CheckpointBenchmark(
            LanguageModel model,
            Optimizer optimizer,
            TrainingStep step,
            Path run,
            StagingBuffers staging,
            Batch batch) {
        this.model = model;
        this.optimizer = optimizer;
        this.step = step;
        this.run = run;
        this.staging = staging;
        this.batch = batch;
    }

    /** Runs the saves; {@code each} hears each pair as it ends. */
    public static Result run(Settings s, Consumer<Pair> each) {
        ComputeThreads.use(s.threads());
        OptimizerTechnique adamw = Techniques.find(OptimizerTechnique.class, OptimizerTechnique.KIND, "adamw", HERE);
        Workload work = Workload.of(s.model());
        Path run = newFolder(s.folder());
        try (LanguageModel model = LanguageModel.create(work.spec(), Preparation.dtype(s.precision()), Device.CPU, 1);
                Optimizer optimizer = adamw.create(
                        List.of(ParameterGroup.of(model.parameters())),
                        new OptimizerSettings(0.1, 0.9, 0.95, 1e-8),
                        Block.empty(HERE).bind(adamw.config()));
                StagingBuffers staging = new StagingBuffers()) {
            TrainingStep step = new TrainingStep(
                    model.network(), Device.CPU, optimizer, new GradientClipping(1), Regularization.NONE, 1);
            // So that the optimizer's state is numbers and not pages that were never touched.
            CheckpointBenchmark benchmark = new CheckpointBenchmark(model, optimizer, step, run, staging, batch(work));
            benchmark.step();
            benchmark.full();
            double first = benchmark.beside()[0];
            List<Pair> pairs = new ArrayList<>();
            for (int i = 0; i < s.pairs(); i++) {
                pairs.add(benchmark.pair(i % 2 == 0));
                each.accept(pairs.getLast());
            }
            return new Result(
                    s.model(),
                    model.parameterCount(),
                    s.precision().name().toLowerCase(Locale.ROOT),
                    s.threads(),
                    benchmark.bytes,
                    staging.bytes(),
                    first,
                    median(pairs, Pair::fullSeconds),
                    median(pairs, Pair::blockedSeconds),
                    median(pairs, Pair::besideSeconds),
                    median(pairs, Pair::stepSeconds),
                    median(pairs, Pair::stepBesideSeconds),
                    median(pairs, p -> p.blockedSeconds() / p.fullSeconds()),
                    pairs);
        } finally {
            DurableFiles.deleteTree(run);
        }
    }

    private static Path newFolder(Path folder) {
        try {
            return Files.createTempDirectory(folder, "checkpoints");
        } catch (IOException e) {
            throw QuernException.badInput(
                    "%s: no folder can be made there: %s; name another --folder", folder, e.getMessage());
        }
    }

    private static Batch batch(Workload work) {
        int[] tokens = new int[work.tokens()];
        Arrays.setAll(tokens, i -> i % work.vocabulary());
        int[] lengths = new int[work.batch()];
        Arrays.fill(lengths, work.length());
        return new Batch(work.batch(), work.length(), tokens, tokens.clone(), lengths);
    }

    private double step() {
        long start = System.nanoTime();
        step.take(saved, List.of(batch), 1e-4);
        return (System.nanoTime() - start) / 1e9;
    }

    private Pair pair(boolean fullFirst) {
        double full = fullFirst ? full() : 0;
        double alone = fullFirst ? step() : 0;
        double[] beside = beside();
        return new Pair(fullFirst ? full : full(), beside[0], beside[1], fullFirst ? alone : step(), beside[2]);
    }

    private TrainerState nextState() {
        TrainerState state = new TrainerState();
        state.step = ++saved;
        return state;
    }

    private double full() {
        Checkpoints checkpoints = new Checkpoints(run, 1, false, to -> {});
        TrainerState state = nextState();
        long start = System.nanoTime();
        step.requireFiniteWeights(state.step);
        checkpoints.save(Snapshot.live(model, SaveOptions.DEFAULT, optimizer, state));
        return (System.nanoTime() - start) / 1e9;
    }

    /** The seconds blocked, those until it is durable, and those of the step taken meanwhile. */
    private double[] beside() {
        Checkpoints checkpoints = new Checkpoints(run, 1, true, to -> {});
        TrainerState state = nextState();
        long[] waited = {0};
        step.beforeUpdates(() -> {
            long from = System.nanoTime();
            checkpoints.awaitCopies();
            waited[0] = System.nanoTime() - from;
        });
        long start = System.nanoTime();
        step.requireFiniteWeights(state.step);
        bytes = Snapshot.bytes(model, optimizer);
        checkpoints.saveBeside(bytes, () -> Snapshot.take(model, SaveOptions.DEFAULT, optimizer, state, staging));
        long begun = System.nanoTime();
        double stepSeconds;
        try {
            stepSeconds = step();
        } finally {
            // The save reads the tensors that are closed after a failure.
            checkpoints.await();
            step.beforeUpdates(() -> {});
        }
        return new double[] {(begun - start + waited[0]) / 1e9, (System.nanoTime() - start) / 1e9, stepSeconds};
    }

    private static double median(List<Pair> pairs, ToDoubleFunction<Pair> of) {
        return Median.of(pairs.stream().mapToDouble(of).toArray());
    }
}
