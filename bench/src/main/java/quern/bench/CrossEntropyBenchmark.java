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

/** Cross-entropy with its gradient in place: the fused kernel beside libtorch's operators, on one chunk of a head. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class CrossEntropyBenchmark {
    private static final long ROWS = 512;

    /** The size of the vocabulary. */
    @Param({"2048", "50304"})
    public long vocabulary;

    /** The dtype of the logits. */
    @Param({"BF16", "FP32"})
    public DType dtype;

    private Tensor logits;
    private Tensor targets;
    private Tensor weights;
    private Tensor logprobs;

    /** Random logits and targets. */
    @Setup(Level.Trial)
    public void setUp() {
        try (quern.tensor.Scope scope = quern.tensor.Scope.open()) {
            RandomStream random = new RandomStream(1);
            logits = Tensor.randn(random, ROWS, vocabulary).to(dtype).keep();
            targets = Tensor.empty(DType.FP32, Device.CPU, ROWS)
                    .uniform_(0, vocabulary - 1, random)
                    .to(DType.INT64)
                    .keep();
            weights = Tensor.full(1.0 / ROWS, DType.FP32, Device.CPU, ROWS).keep();
            logprobs = Tensor.zeros(DType.FP32, ROWS).keep();
        }
    }

    /** Frees the tensors. */
    @TearDown(Level.Trial)
    public void tearDown() {
        logits.close();
        targets.close();
        weights.close();
        logprobs.close();
    }

    /** The fused kernel. */
    @Benchmark
    public void kernel() {
        CrossEntropy.rows(logits, targets, weights, logprobs);
    }

    /** libtorch's operators. */
    @Benchmark
    public void plain() {
        CrossEntropy.plain(logits, targets, weights, logprobs);
    }
}
