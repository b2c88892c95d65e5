package quern.train;

import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.function.Consumer;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.models.SaveOptions;
import quern.nn.GradientCheckpointing;
import quern.nn.Network;
import quern.nn.TransformerBlock;
import quern.optim.EvalWeights;
import quern.optim.Optimizer;
import quern.recipe.Recipe;
import quern.tensor.DType;
import quern.tensor.StagingBuffers;

/** A few steps of a training, to see what memory and time they take. */
final class PlanTrial {
    private static final int MOST_STEPS = 40;
    private static final int LEAST_STEPS = 3;
    private static final double MOST_SECONDS = 10;

    /**
     * What was seen.
     *
     * @param computedShare of the tokens of rows, where a step was taken
     */
    record Measurement(
            TrainingPlan.Memory memory,
            Optional<TrainingPlan.Time> time,
            OptionalInt microBatch,
            OptionalDouble computedShare) {}

    private static final int GARBAGE_BYTES = 1 << 16;

    private final Preparation preparation;
    /** A field, so that the compiler can't leave the garbage out. */
    private byte[] garbage = {};

    private final Recipe recipe;
    private Optional<MicroBatchSize> microBatch = Optional.empty();
    private Network network;

    private PlanTrial(Preparation preparation) {
        this.preparation = preparation;
        this.recipe = preparation.recipe();
    }

    static Measurement run(Preparation preparation, Consumer<String> notes) {
        return new PlanTrial(preparation).measure(notes);
    }

    private Measurement measure(Consumer<String> notes) {
        long count = preparation.spec().shapes().count();
        boolean halves = preparation.dtype() != DType.FP32;
        long weights = count * preparation.dtype().bytes();
        // What there is of them once; inside the backward pass less, as the model shows when it is made.
        long gradients = halves && recipe.gradientAccumulationSteps() > 1 ? count * DType.FP32.bytes() : weights;
        long available = ProcessMemory.available();
        long process = ProcessMemory.read().now();
        if (weights + gradients > available) {
            notes.accept("no step was timed: weights and gradients alone are more than the memory that is free");
            return tooLarge(weights, gradients, 0, process, available);
        }
        ComputeThreads.use(recipe.threads());
        process = ProcessMemory.read().now();
        try (LanguageModel model = preparation.model();
                ObjectiveNetwork trained = preparation.network(model)) {
            network = trained.network();
            try (Optimizer optimizer = preparation.optimizer(network)) {
                long state = optimizer.stateBytes();
                if (recipe.optimizerInBackward()) {
                    gradients = OptimizerInBackward.gradientBytes(network);
                }
                if (gradients + state > ProcessMemory.available()) {
                    notes.accept("no step was timed: model and optimizer alone are more than the memory that is free");
                    return tooLarge(weights, gradients, state, process, available);
                }
                try (CarriedMemories memories = new CarriedMemories(network, model.device())) {
                    long[] known = {weights, gradients, state, process, available};
                    return steps(model, optimizer, memories, known);
                }
            }
        }
    }

    private static Measurement tooLarge(long weights, long gradients, long state, long process, long available) {
        long least = weights + gradients + state + process;
        return new Measurement(
                new TrainingPlan.Memory(weights, gradients, state, 0, 0, process, least, available, false),
                Optional.empty(),
                OptionalInt.empty(),
                OptionalDouble.empty());
    }

    private Measurement steps(LanguageModel model, Optimizer optimizer, CarriedMemories memories, long[] known) {
        if (recipe.gradientCheckpointing()) {
            network.addHook(new GradientCheckpointing(s -> s instanceof TransformerBlock));
        }
        Safeguards safeguards = preparation.safeguards(network, optimizer, Safeguards.NONE.suspects());
        safeguards = new Safeguards(
                safeguards.scaler(),
                safeguards.segments(),
                Optional.empty(),
                safeguards.noise(),
                safeguards.suspects());
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
        step.carry(memories);
        if (recipe.autoFindBatchSize()) {
            microBatch = Optional.of(new MicroBatchSize());
            int whole = recipe.perDeviceTrainBatchSize() * recipe.gradientAccumulationSteps();
            microBatch.get().find(step, batches(0), whole, model.device(), ProcessMemory::available);
        }
        ProcessMemory.forgetPeak();
        fillYoungGeneration();
        List<Double> seconds = new ArrayList<>();
        long start = System.nanoTime();
        int most = (int) Math.min(MOST_STEPS, preparation.maxSteps());
        while (seconds.size() < most
                && (seconds.size() < LEAST_STEPS || (System.nanoTime() - start) / 1e9 < MOST_SECONDS)) {
            seconds.add(take(step, seconds.size()));
        }
        double evaluation;
        try (EvalWeights eval = optimizer.evalWeights()) {
            evaluation = preparation.heldOut().seconds(model, network);
        }
        long training = ProcessMemory.read().peak();
        saveBeside(step, model, optimizer, seconds.size());
        long peak = Math.max(training, ProcessMemory.read().peak());
        long activations = Math.max(0, training - known[3] - known[0] - known[1] - known[2]);
        TrainingPlan.Memory memory = new TrainingPlan.Memory(
                known[0], known[1], known[2], activations, peak - training, known[3], peak, known[4], true);
        OptionalInt rows = microBatch.map(m -> OptionalInt.of(m.rows())).orElse(OptionalInt.empty());
        return new Measurement(
                memory, Optional.of(time(seconds, evaluation)), rows, OptionalDouble.of(step.computedShare()));
    }

    /**
     * Garbage until it is collected once, or until there is as much as the young generation holds: a long training touches
     * all of its pages sooner or later, a trial of a few steps does not.
     */
    private void fillYoungGeneration() {
        long collections = collections();
        long most = ManagementFactory.getMemoryPoolMXBeans().stream()
                .filter(pool -> pool.getName().contains("Eden"))
                .mapToLong(pool -> pool.getUsage().getMax())
                .max()
                .orElse(0);
        for (long made = 0; made < most && collections() == collections; made += garbage.length) {
            garbage = new byte[GARBAGE_BYTES];
        }
    }

    private static long collections() {
        return ManagementFactory.getGarbageCollectorMXBeans().stream()
                .mapToLong(GarbageCollectorMXBean::getCollectionCount)
                .sum();
    }

    private double take(TrainingStep step, int number) {
        List<Batch> batches = batches(number);
        if (microBatch.isPresent()) {
            batches = microBatch.get().divide(batches);
        }
        return step.take(number, batches, preparation.schedule().rate(number)).seconds();
    }

    /** The batches of a whole step, whatever the warm-up of the batch size. */
    private List<Batch> batches(int number) {
        List<Batch> batches = new ArrayList<>();
        for (int i = 0; i < recipe.gradientAccumulationSteps(); i++) {
            batches.add(preparation.batches().batch((long) number * recipe.gradientAccumulationSteps() + i));
        }
        return batches;
    }

    /** A step while the copies of a save are alive, as when it is written in the background. */
    private void saveBeside(TrainingStep step, LanguageModel model, Optimizer optimizer, int number) {
        boolean onTheWay = recipe.saveSteps() > 0 && recipe.saveSteps() < preparation.maxSteps();
        boolean beside = recipe.saveAsync() && (onTheWay || recipe.loadBestModelAtEnd());
        if (!beside && !optimizer.hasEvalWeights()) {
            return;
        }
        try (StagingBuffers staging = new StagingBuffers();
                Snapshot snapshot = Snapshot.take(model, SaveOptions.DEFAULT, optimizer, new TrainerState(), staging)) {
            if (beside) {
                take(step, number);
            }
        }
    }

    private TrainingPlan.Time time(List<Double> seconds, double evaluation) {
        double[] later = seconds.subList(seconds.size() / 2, seconds.size()).stream()
                .mapToDouble(Double::doubleValue)
                .sorted()
                .toArray();
        double perStep = later[later.length / 2];
        long evaluations = preparation.validation().isPresent() ? evaluations() : 0;
        // A step of a growing batch takes its share of a whole one's time.
        double wholeSteps =
                (double) preparation.stepBatches().first(preparation.maxSteps()) / recipe.gradientAccumulationSteps();
        return new TrainingPlan.Time(
                seconds.size(), perStep, evaluation, evaluations, perStep * wholeSteps + evaluation * evaluations);
    }

    /** Evaluations on the way, and the one at the end. */
    private long evaluations() {
        int every = recipe.evaluationSteps();
        return every == 0 ? 1 : (preparation.maxSteps() + every - 1) / every;
    }
}
