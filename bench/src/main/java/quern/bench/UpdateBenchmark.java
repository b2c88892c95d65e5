package quern.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.Techniques;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/**
 * A step of each optimizer that has a kernel, over 30 M parameters in 40 matrices: in one or two passes by the kernel beside
 * libtorch's operators.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class UpdateBenchmark {
    private static final int MATRICES = 40;
    private static final long WIDTH = 866;

    /** Which. */
    @Param({"adamw", "adam", "sgd", "lion", "adan", "lamb", "adagrad"})
    public String optimizer;

    /** The dtype of weights and gradients; the masters are fp32. */
    @Param({"BF16", "FP32"})
    public DType dtype;

    /** Whether the kernel does the work. */
    @Param({"true", "false"})
    public boolean fused;

    private final List<Parameter> parameters = new ArrayList<>();
    private Optimizer steps;

    /** Random weights and gradients. */
    @Setup(Level.Trial)
    public void setUp() {
        try (quern.tensor.Scope scope = quern.tensor.Scope.open()) {
            RandomStream random = new RandomStream(1);
            for (int i = 0; i < MATRICES; i++) {
                Parameter p = new Parameter(
                        "matrix." + i, Tensor.randn(random, WIDTH, WIDTH).to(dtype));
                p.value().setGrad(Tensor.empty(dtype, Device.CPU, WIDTH, WIDTH).normal_(0, 1, random));
                parameters.add(p);
            }
        }
        Position here = Position.of("the benchmark");
        OptimizerTechnique technique =
                Techniques.find(OptimizerTechnique.class, OptimizerTechnique.KIND, optimizer, here);
        steps = technique.create(
                List.of(ParameterGroup.of(parameters)),
                OptimizerSettings.DEFAULT,
                Block.empty(here).with("fused", fused).bind(technique.config()));
    }

    /** Frees the state. */
    @TearDown(Level.Trial)
    public void tearDown() {
        steps.close();
        parameters.forEach(Parameter::close);
    }

    /** One step. */
    @Benchmark
    public void step() {
        steps.step(1e-3, 1);
    }
}
