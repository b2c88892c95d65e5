package quern.bench;

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
import quern.tensor.CrossEntropy;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;
import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.LinearCrossEntropyKernel;

/** A chunk of a head with its loss and gradients, fp32: the one kernel beside libtorch's products with the softmax's kernel. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 4, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class HeadBenchmark {
    private static final int ROWS = 320;

    /** The size of the vocabulary. */
    @Param({"2048", "50304"})
    public int vocabulary;

    /** The width of the rows. */
    @Param({"384", "768"})
    public int width;

    private Tensor x;
    private Tensor weight;
    private Tensor logits;
    private Tensor targets;
    private Tensor weights;
    private Tensor logprobs;
    private Tensor dx;
    private Tensor dWeight;

    /** Random rows, weights and targets. */
    @Setup(Level.Trial)
    public void setUp() {
        try (quern.tensor.Scope scope = quern.tensor.Scope.open()) {
            RandomStream random = new RandomStream(1);
            x = Tensor.randn(random, ROWS, width).keep();
            weight = Tensor.randn(random, vocabulary, width).mul(0.02).keep();
            logits = Tensor.zeros(DType.FP32, ROWS, vocabulary).keep();
            targets = Tensor.empty(DType.FP32, Device.CPU, ROWS)
                    .uniform_(0, vocabulary - 1, random)
                    .to(DType.INT64)
                    .keep();
            weights = Tensor.full(1.0 / ROWS, DType.FP32, Device.CPU, ROWS).keep();
            logprobs = Tensor.zeros(DType.FP32, ROWS).keep();
            dx = Tensor.zeros(DType.FP32, ROWS, width).keep();
            dWeight = Tensor.zeros(DType.FP32, vocabulary, width).keep();
        }
    }

    /** Frees the tensors. */
    @TearDown(Level.Trial)
    public void tearDown() {
        for (Tensor t : new Tensor[] {x, weight, logits, targets, weights, logprobs, dx, dWeight}) {
            t.close();
        }
    }

    /** The one kernel. */
    @Benchmark
    public void kernel() {
        LinearCrossEntropyKernel.logProbabilitiesAndGradients(
                new LinearCrossEntropyKernel.Head(weight.memory(), null, ElementType.FP32, vocabulary, width),
                new LinearCrossEntropyKernel.Rows(
                        x.memory(), ElementType.FP32, targets.memory(), ROWS, logprobs.memory()),
                new LinearCrossEntropyKernel.Gradients(weights.memory(), dx.memory(), dWeight.memory(), null, true));
    }

    /** libtorch's products, and the softmax's kernel. */
    @Benchmark
    public void products() {
        try (quern.tensor.Scope scope = quern.tensor.Scope.open()) {
            logits.mmOut_(x, weight.t());
            CrossEntropy.rows(logits, targets, weights, logprobs);
            dx.mmOut_(logits, weight);
            dWeight.addmm_(logits.t(), x);
        }
    }
}
