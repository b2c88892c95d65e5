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
import quern.tensor.DType;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;
import quern.tensor.kernel.ProductProbe;

/** Products in the shapes of training steps: the kernels' own, laid in panels beforehand, beside libtorch's into a buffer. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class ProductBenchmark {
    /** m x k x n: linear maps of the 30 M and the 124 M GPT and of a Llama of 60 M. */
    @Param({
        "2048x384x1152", "2048x384x1536", "2048x1536x384",
        "2048x768x2304", "2048x768x3072", "2048x3072x768",
        "2048x512x1024", "2048x512x2816", "2048x1408x512"
    })
    public String shape;

    private ProductProbe own;
    private Tensor a;
    private Tensor weight;
    private Tensor narrowA;
    private Tensor narrowWeight;
    private Tensor c;
    private Tensor narrowC;

    /** The matrices. */
    @Setup(Level.Trial)
    public void setUp() {
        String[] sizes = shape.split("x");
        int m = Integer.parseInt(sizes[0]);
        int k = Integer.parseInt(sizes[1]);
        int n = Integer.parseInt(sizes[2]);
        own = new ProductProbe(m, n, k);
        try (quern.tensor.Scope scope = quern.tensor.Scope.open()) {
            RandomStream random = new RandomStream(1);
            a = Tensor.randn(random, m, k).keep();
            weight = Tensor.randn(random, n, k).keep();
            c = Tensor.zeros(DType.FP32, m, n).keep();
            narrowA = a.to(DType.BF16).keep();
            narrowWeight = weight.to(DType.BF16).keep();
            narrowC = Tensor.zeros(DType.BF16, m, n).keep();
        }
    }

    /** Frees the tensors. */
    @TearDown(Level.Trial)
    public void tearDown() {
        for (Tensor t : new Tensor[] {a, weight, c, narrowA, narrowWeight, narrowC}) {
            t.close();
        }
    }

    /** The kernels' product in fp32. */
    @Benchmark
    public void kernel() {
        own.run();
    }

    /** libtorch's in fp32. */
    @Benchmark
    public void libtorch() {
        try (quern.tensor.Scope scope = quern.tensor.Scope.open()) {
            c.mmOut_(a, weight.t());
        }
    }

    /** libtorch's in bf16. */
    @Benchmark
    public void libtorchBf16() {
        try (quern.tensor.Scope scope = quern.tensor.Scope.open()) {
            narrowC.mmOut_(narrowA, narrowWeight.t());
        }
    }
}
