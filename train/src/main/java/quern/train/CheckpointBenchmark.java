package quern.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.models.SaveOptions;
import quern.models.SpecialTokens;
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
import quern.tensor.Native;
import quern.tensor.StagingBuffers;
import quern.tensor.kernel.KernelThreads;

/**
 * Times how long a checkpoint of a GPT-2 shaped model with AdamW keeps training waiting: a save that training waits for
 * ({@code save_async: false}), and one that goes on beside it, in turns. Both check the weights, write, force to disk, rename
 * and take the checkpoint before away.
 */
public final class CheckpointBenchmark {
    private static final Position HERE = Position.of("the benchmark");
    private static final int TOKENS = 64;

    /**
     * What is timed.
     *
     * @param model {@code 30m} or {@code 124m}
     * @param pairs saves of each kind
     * @param folder where the checkpoints go, in a folder of their own that is deleted in the end
     */
    public record Settings(String model, Precision precision, int pairs, int threads, Path folder) {}

    /**
     * One save of each kind.
     *
     * @param fullSeconds that training waits for a save on its own thread
     * @param blockedSeconds that training waits for a save beside it
     * @param besideSeconds from the beginning of that save until it is durable
     */
    public record Pair(double fullSeconds, double blockedSeconds, double besideSeconds) {}

    /**
     * All of it.
     *
     * @param bytes of a checkpoint's tensors
     * @param stagingBytes that a save beside training takes in memory
     * @param firstBlockedSeconds that the first save beside training blocks it, whose copies need new memory
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
            double blockedShare,
            List<Pair> pairs) {}

    private final LanguageModel model;
    private final Optimizer optimizer;
    private final TrainingStep step;
    private final Path run;
    private final StagingBuffers staging;
    private long bytes;
    private long saved;

    private CheckpointBenchmark(
            LanguageModel model, Optimizer optimizer, TrainingStep step, Path run, StagingBuffers staging) {
        this.model = model;
        this.optimizer = optimizer;
        this.step = step;
        this.run = run;
        this.staging = staging;
    }

    /** Runs the saves; {@code each} hears each pair as it ends. */
    public static Result run(Settings s, Consumer<Pair> each) {
        Native.setThreads(s.threads());
        KernelThreads.setCount(s.threads());
        OptimizerTechnique adamw = Techniques.find(OptimizerTechnique.class, OptimizerTechnique.KIND, "adamw", HERE);
        Path run = newFolder(s.folder());
        try (LanguageModel model =
                        LanguageModel.create(spec(s.model()), Preparation.dtype(s.precision()), Device.CPU, 1);
                Optimizer optimizer = adamw.create(
                        List.of(ParameterGroup.of(model.parameters())),
                        new OptimizerSettings(0.1, 0.9, 0.95, 1e-8),
                        Block.empty(HERE).bind(adamw.config()));
                StagingBuffers staging = new StagingBuffers()) {
            TrainingStep step = new TrainingStep(
                    model.network(), Device.CPU, optimizer, new GradientClipping(1), Regularization.NONE, 1);
            // So that the optimizer's state is numbers and not pages that were never touched.
            step.take(0, List.of(batch()), 1e-3);
            CheckpointBenchmark benchmark = new CheckpointBenchmark(model, optimizer, step, run, staging);
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
                    s.precision().name().toLowerCase(java.util.Locale.ROOT),
                    s.threads(),
                    benchmark.bytes,
                    staging.bytes(),
                    first,
                    median(pairs, Pair::fullSeconds),
                    median(pairs, Pair::blockedSeconds),
                    median(pairs, Pair::besideSeconds),
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
            throw QuernException.badInput("%s: no folder can be made there: %s", folder, e.getMessage());
        }
    }

    private static ModelSpec spec(String model) {
        int[] shape = switch (model) {
            case "30m" -> new int[] {6, 6, 384};
            case "124m" -> new int[] {12, 12, 768};
            default -> throw QuernException.badInput("workload: found '%s', expected 30m or 124m", model);
        };
        int vocabulary = 50304;
        Block block = Block.empty(HERE)
                .with("family", "gpt2")
                .with("n_layer", shape[0])
                .with("n_head", shape[1])
                .with("n_embd", shape[2])
                .with("n_positions", 512)
                .with("vocab_size", vocabulary);
        return ModelSpec.fromRecipe(block, vocabulary, SpecialTokens.NONE);
    }

    private static Batch batch() {
        int[] tokens = new int[TOKENS];
        Arrays.setAll(tokens, i -> i);
        return new Batch(1, TOKENS, tokens, tokens.clone(), new int[] {TOKENS});
    }

    private Pair pair(boolean fullFirst) {
        double full = fullFirst ? full() : 0;
        double[] beside = beside();
        return new Pair(fullFirst ? full : full(), beside[0], beside[1]);
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

    /** The seconds blocked, and those until it is durable. */
    private double[] beside() {
        Checkpoints checkpoints = new Checkpoints(run, 1, true, to -> {});
        TrainerState state = nextState();
        long start = System.nanoTime();
        step.requireFiniteWeights(state.step);
        Snapshot snapshot = Snapshot.take(model, SaveOptions.DEFAULT, optimizer, state, staging);
        bytes = snapshot.bytes();
        checkpoints.save(snapshot);
        double blocked = (System.nanoTime() - start) / 1e9;
        checkpoints.await();
        return new double[] {blocked, (System.nanoTime() - start) / 1e9};
    }

    private static double median(List<Pair> pairs, ToDoubleFunction<Pair> of) {
        double[] sorted = pairs.stream().mapToDouble(of).sorted().toArray();
        return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }
}
