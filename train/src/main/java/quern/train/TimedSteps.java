package quern.train;

import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.function.IntToDoubleFunction;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.nn.GradientCheckpointing;
import quern.nn.Network;
import quern.nn.Regularization;
import quern.nn.TransformerBlock;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.Schedule;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.Techniques;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.kernel.PartClock;

/**
 * Training steps to be timed, one after another, as the trainer takes them: forward, backward, clipping, update. Of a
 * recipe's training the making of batches is timed too, beside the steps as in training; a workload's tokens are there before.
 */
final class TimedSteps implements AutoCloseable {
    private static final Position HERE = Position.of("the benchmark");
    private static final double DECAY = 0.1;
    private static final double RATE = 6e-4;

    /** Where a step's batches come from. */
    private interface Source extends AutoCloseable {
        /** Makes what is made before the clock runs, for this many steps. */
        default void ready(int steps) {}

        /** The batches of a step, each asked for once, in order. */
        List<Batch> of(long step);

        @Override
        default void close() {}
    }

    /** A workload's stream of tokens. */
    private static final class Stream implements Source {
        private final Workload work;
        private final SyntheticTokens tokens;
        private final Queue<List<Batch>> made = new ArrayDeque<>();

        Stream(Workload work, long seed) {
            this.work = work;
            this.tokens = new SyntheticTokens(work.vocabulary(), seed);
        }

        @Override
        public void ready(int steps) {
            while (made.size() < steps) {
                made.add(List.of(tokens.batch(work.batch(), work.length())));
            }
        }

        @Override
        public List<Batch> of(long step) {
            return made.remove();
        }
    }

    /** A recipe's data, made and divided as the trainer has it. */
    private record Prefetched(BatchPrefetch prefetch, Optional<GradientNoise> noise) implements Source {
        @Override
        public List<Batch> of(long step) {
            List<Batch> batches = prefetch.of(step);
            return noise.map(n -> n.divided(step, batches)).orElse(batches);
        }

        @Override
        public void close() {
            prefetch.close();
        }
    }

    private final LanguageModel model;
    private final Optimizer optimizer;
    private final TrainingStep step;
    private final Source source;
    private final IntToDoubleFunction rate;
    private int taken;
    private double first;
    private double last;

    /**
     * What some steps took.
     *
     * @param seconds by the clock
     * @param tokens real ones
     * @param counted those whose loss counts
     * @param used by the whole process meanwhile
     */
    record Taken(int steps, double seconds, long tokens, long counted, ProcessUse used) {}

    private TimedSteps(
            LanguageModel model, Optimizer optimizer, TrainingStep step, Source source, IntToDoubleFunction rate) {
        this.model = model;
        this.optimizer = optimizer;
        this.step = step;
        this.source = source;
        this.rate = rate;
    }

    /** Steps of a new model on the fixed stream of tokens that begins with {@code seed}. */
    static TimedSteps of(Workload work, DType dtype, long seed) {
        OptimizerTechnique adamw = Techniques.find(OptimizerTechnique.class, OptimizerTechnique.KIND, "adamw", HERE);
        LanguageModel model = LanguageModel.create(work.spec(), dtype, Device.CPU, seed);
        boolean done = false;
        try {
            Optimizer optimizer = adamw.create(
                    List.of(ParameterGroup.of(model.parameters())),
                    new OptimizerSettings(DECAY, 0.9, 0.95, 1e-8),
                    Block.empty(HERE).bind(adamw.config()));
            TrainingStep step = new TrainingStep(
                    model.network(), Device.CPU, optimizer, new GradientClipping(1.0), Regularization.NONE, seed);
            done = true;
            return new TimedSteps(model, optimizer, step, new Stream(work, seed), number -> RATE);
        } finally {
            if (!done) {
                model.close();
            }
        }
    }

    /** Steps of a recipe's training, from its start. */
    static TimedSteps of(Preparation preparation) {
        Recipe recipe = preparation.recipe();
        if (recipe.autoFindBatchSize()) {
            throw QuernException.badInput(
                    "auto_find_batch_size: a benchmark takes a step's rows as they are; set it to false");
        }
        Schedule schedule = preparation.schedule();
        LanguageModel model = preparation.model();
        Optimizer optimizer = null;
        boolean done = false;
        try {
            Network network = model.network();
            optimizer = preparation.optimizer(network);
            if (recipe.gradientCheckpointing()) {
                network.addHook(new GradientCheckpointing(s -> s instanceof TransformerBlock));
            }
            Safeguards safeguards = preparation.safeguards(network, optimizer, Safeguards.NONE.suspects());
            TrainingStep step = new TrainingStep(
                    network,
                    model.device(),
                    optimizer,
                    preparation.clipping(network),
                    preparation.regularization(),
                    recipe.seed(),
                    safeguards,
                    recipe.optimizerInBackward());
            PrefixSharing.set(preparation, network, step);
            // A benchmark may take more steps than the training has.
            BatchPrefetch prefetch =
                    new BatchPrefetch(preparation.batches(), preparation.stepBatches(), Long.MAX_VALUE);
            done = true;
            return new TimedSteps(model, optimizer, step, new Prefetched(prefetch, safeguards.noise()), schedule::rate);
        } finally {
            if (!done) {
                if (optimizer != null) {
                    optimizer.close();
                }
                model.close();
            }
        }
    }

    LanguageModel model() {
        return model;
    }

    /** The loss of the first step there was. */
    double first() {
        return first;
    }

    /** The loss of the last. */
    double last() {
        return last;
    }

    /** Makes what {@link #take} has made before the clock runs: for callers with a clock of their own. */
    void ready(int count) {
        source.ready(count);
    }

    /** Takes {@code count} steps. */
    Taken take(int count) {
        ready(count);
        long tokens = 0;
        long counted = 0;
        ProcessUse before = ProcessUse.read();
        long start = System.nanoTime();
        for (int i = 0; i < count; i++) {
            PartClock.Part part = PartClock.enter(PartClock.Part.DATA);
            List<Batch> batches = source.of(taken);
            PartClock.leave(part);
            StepResult result = step.take(taken, batches, rate.applyAsDouble(taken));
            last = result.loss();
            first = taken == 0 ? last : first;
            tokens += result.tokens();
            counted += result.countedTokens();
            taken++;
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        return new Taken(count, seconds, tokens, counted, ProcessUse.read().minus(before));
    }

    @Override
    public void close() {
        source.close();
        optimizer.close();
        model.close();
    }
}
