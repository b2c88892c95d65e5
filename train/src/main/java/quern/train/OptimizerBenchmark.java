package quern.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterRole;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Position;
import quern.recipe.Precision;
import quern.recipe.Techniques;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Times the steps of an optimizer alone, on the parameters of a GPT-2 shaped model of 11.5 million weights (6 layers of
 * width 384, 2,048 tokens, 256 positions) with random gradients: the same shapes as {@code bench/python/optimizers.py}.
 */
public final class OptimizerBenchmark implements AutoCloseable {
    private static final int LAYERS = 6;
    private static final long WIDTH = 384;
    private static final long VOCABULARY = 2_048;
    private static final long POSITIONS = 256;
    private static final double RATE = 1e-3;
    private static final double GRADIENT = 0.01;

    /**
     * The optimizer, in a recipe's words.
     *
     * @param optim which
     * @param optimArgs its own settings
     */
    public record Choice(
            @Doc("Optimizer.") @Default("adamw") String optim,

            @Doc("The optimizer's own settings.") @Default("{}")
            Block optimArgs,

            @Doc("Weight decay.") @Default("0.1") double weightDecay,

            @Doc("Share of the first moment kept a step.") @Default("0.9")
            double adamBeta1,

            @Doc("Share of the second moment kept a step.") @Default("0.95")
            double adamBeta2,

            @Doc("Added to the root of the second moment.") @Default("1e-8")
            double adamEpsilon) {}

    private final Choice choice;
    private final List<Parameter> parameters = new ArrayList<>();
    private final Optimizer optimizer;

    /** Random weights and gradients of the given precision, and the optimizer's state. */
    public OptimizerBenchmark(Choice choice, Precision precision, int threads, long seed) {
        this.choice = choice;
        ComputeThreads.use(threads);
        OptimizerTechnique technique = Techniques.find(
                OptimizerTechnique.class, OptimizerTechnique.KIND, choice.optim(), Position.of("the benchmark"));
        Record config = choice.optimArgs().bind(technique.config());
        OptimizerSettings settings = new OptimizerSettings(
                choice.weightDecay(), choice.adamBeta1(), choice.adamBeta2(), choice.adamEpsilon());
        DType dtype = Preparation.dtype(precision);
        RandomStream random = new RandomStream(seed);
        Optimizer made = null;
        try (Scope scope = Scope.open()) {
            List<Parameter> tables = List.of(
                    add("wte.weight", dtype, random, VOCABULARY, WIDTH),
                    add("wpe.weight", dtype, random, POSITIONS, WIDTH));
            List<Parameter> matrices = new ArrayList<>();
            List<Parameter> vectors = new ArrayList<>();
            for (int layer = 0; layer < LAYERS; layer++) {
                String block = "h." + layer;
                norm(vectors, block + ".ln_1", dtype, random);
                linear(matrices, vectors, block + ".attn.c_attn", dtype, random, WIDTH, 3 * WIDTH);
                linear(matrices, vectors, block + ".attn.c_proj", dtype, random, WIDTH, WIDTH);
                norm(vectors, block + ".ln_2", dtype, random);
                linear(matrices, vectors, block + ".mlp.c_fc", dtype, random, WIDTH, 4 * WIDTH);
                linear(matrices, vectors, block + ".mlp.c_proj", dtype, random, 4 * WIDTH, WIDTH);
            }
            norm(vectors, "ln_f", dtype, random);
            made = technique.create(
                    List.of(
                            group(tables, ParameterRole.EMBEDDING, OptionalDouble.empty()),
                            group(matrices, ParameterRole.HIDDEN_MATRIX, OptionalDouble.empty()),
                            group(vectors, ParameterRole.VECTOR, OptionalDouble.of(0))),
                    settings,
                    config);
        } finally {
            optimizer = made;
            if (made == null) {
                parameters.forEach(Parameter::close);
            }
        }
    }

    private static ParameterGroup group(List<Parameter> parameters, ParameterRole role, OptionalDouble weightDecay) {
        return new ParameterGroup(parameters, 1, weightDecay, Optional.of(role));
    }

    private void norm(List<Parameter> vectors, String name, DType dtype, RandomStream random) {
        vectors.add(add(name + ".weight", dtype, random, WIDTH));
        vectors.add(add(name + ".bias", dtype, random, WIDTH));
    }

    private void linear(
            List<Parameter> matrices,
            List<Parameter> vectors,
            String name,
            DType dtype,
            RandomStream random,
            long in,
            long out) {
        matrices.add(add(name + ".weight", dtype, random, in, out));
        vectors.add(add(name + ".bias", dtype, random, out));
    }

    private Parameter add(String name, DType dtype, RandomStream random, long... shape) {
        Parameter parameter =
                new Parameter(name, Tensor.randn(random, shape).to(dtype).copy());
        parameter.value().setGrad(Tensor.randn(random, shape).mul(GRADIENT).to(dtype));
        parameters.add(parameter);
        return parameter;
    }

    /** The optimizer's name. */
    public String optim() {
        return choice.optim();
    }

    /** How many weights there are. */
    public long parameterCount() {
        return parameters.stream().mapToLong(p -> p.value().numel()).sum();
    }

    /** What the optimizer remembers, fp32 masters included. */
    public long stateBytes() {
        return optimizer.stateBytes();
    }

    /** Takes steps and returns the milliseconds of each. */
    public double[] steps(int count) {
        double[] milliseconds = new double[count];
        for (int i = 0; i < count; i++) {
            long start = System.nanoTime();
            optimizer.step(RATE, 1);
            milliseconds[i] = (System.nanoTime() - start) / 1e6;
        }
        return milliseconds;
    }

    @Override
    public void close() {
        optimizer.close();
        parameters.forEach(Parameter::close);
    }
}
