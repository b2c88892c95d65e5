package quern.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.function.Supplier;
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
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.Techniques;
import quern.tensor.DType;
import quern.tensor.Device;

/** Training steps to be timed, one after another, as the trainer takes them: forward, backward, clipping, update. */
final class TimedSteps implements AutoCloseable {
    private static final Position HERE = Position.of("the benchmark");
    private static final double DECAY = 0.1;
    private static final double RATE = 6e-4;

    private final LanguageModel model;
    private final Optimizer optimizer;
    private final TrainingStep step;
    private final Supplier<List<Batch>> source;
    private final IntToDoubleFunction rate;
    private int taken;
    private double first;
    private double last;

    /**
     * What some steps took.
     *
     * @param seconds by the clock; making the batches is not in it
     * @param tokens real ones
     * @param counted those whose loss counts
     */
    record Taken(int steps, double seconds, long tokens, long counted) {}

    private TimedSteps(
            LanguageModel model,
            Optimizer optimizer,
            TrainingStep step,
            Supplier<List<Batch>> source,
            IntToDoubleFunction rate) {
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
        Optimizer optimizer = adamw.create(
                List.of(ParameterGroup.of(model.parameters())),
                new OptimizerSettings(DECAY, 0.9, 0.95, 1e-8),
                Block.empty(HERE).bind(adamw.config()));
        TrainingStep step = new TrainingStep(
                model.network(), Device.CPU, optimizer, new GradientClipping(1.0), Regularization.NONE, seed);
        long[] state = {seed};
        return new TimedSteps(model, optimizer, step, () -> List.of(batch(work, state)), number -> RATE);
    }

    /** Steps of a recipe's training, from its start. */
    static TimedSteps of(Preparation preparation) {
        Recipe recipe = preparation.recipe();
        if (recipe.autoFindBatchSize()) {
            throw QuernException.badInput(
                    "auto_find_batch_size: a benchmark takes a step's rows as they are; set it to false");
        }
        LanguageModel model = preparation.model();
        Network network = model.network();
        Optimizer optimizer = preparation.optimizer(network);
        if (recipe.gradientCheckpointing()) {
            network.addHook(new GradientCheckpointing(s -> s instanceof TransformerBlock));
        }
        TrainingStep step = new TrainingStep(
                network,
                model.device(),
                optimizer,
                preparation.clipping(network),
                preparation.regularization(),
                recipe.seed(),
                preparation.safeguards(network, optimizer, Safeguards.NONE.suspects()),
                recipe.optimizerInBackward());
        long[] next = {0};
        return new TimedSteps(
                model,
                optimizer,
                step,
                () -> {
                    List<Batch> batches = new ArrayList<>();
                    for (int i = 0; i < recipe.gradientAccumulationSteps(); i++) {
                        batches.add(preparation.batches().batch(next[0]++));
                    }
                    return batches;
                },
                number -> preparation.schedule().rate(number));
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

    /** The batches of the next {@code count} steps. */
    List<List<Batch>> batches(int count) {
        List<List<Batch>> batches = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            batches.add(source.get());
        }
        return batches;
    }

    /** Takes {@code count} steps. */
    Taken take(int count) {
        return take(batches(count));
    }

    /** Takes a step on each of these. */
    Taken take(List<List<Batch>> steps) {
        long tokens = 0;
        long counted = 0;
        long start = System.nanoTime();
        for (List<Batch> batches : steps) {
            StepResult result = step.take(taken, batches, rate.applyAsDouble(taken));
            last = result.loss();
            first = taken == 0 ? last : first;
            tokens += result.tokens();
            counted += result.countedTokens();
            taken++;
        }
        return new Taken(steps.size(), (System.nanoTime() - start) / 1e9, tokens, counted);
    }

    /** The next rows of T + 1 tokens; small ids are frequent, so that the loss falls. */
    private static Batch batch(Workload work, long[] state) {
        int[] inputs = new int[work.tokens()];
        int[] labels = new int[inputs.length];
        for (int row = 0; row < work.batch(); row++) {
            int before = token(work, state);
            for (int i = 0; i < work.length(); i++) {
                int next = token(work, state);
                inputs[row * work.length() + i] = before;
                labels[row * work.length() + i] = next;
                before = next;
            }
        }
        int[] lengths = new int[work.batch()];
        Arrays.fill(lengths, work.length());
        return new Batch(work.batch(), work.length(), inputs, labels, lengths);
    }

    private static int token(Workload work, long[] state) {
        state[0] = 6364136223846793005L * state[0] + 1442695040888963407L;
        double u = (state[0] >>> 11) * 0x1p-53;
        return (int) Math.pow(work.vocabulary(), u) - 1;
    }

    @Override
    public void close() {
        optimizer.close();
        model.close();
    }
}
