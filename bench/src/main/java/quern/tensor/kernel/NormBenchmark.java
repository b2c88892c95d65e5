package quern.tensor.kernel;

import java.util.List;
import java.util.Random;
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
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/**
 * Layer norm and root-mean-square norm of 2,048 rows, forward and backward in fp32: the kernel in tiles that its threads
 * share, beside libtorch's operator with autograd. In the kernel's package, since blocks alone call it.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class NormBenchmark {
    private static final int ROWS = 2048;
    private static final int TILE = DecoderBlockKernel.TILE;
    private static final double EPS = 1e-5;

    /** Features of a row. */
    @Param({"384", "768"})
    public int width;

    /** Layer norm; otherwise root-mean-square norm. */
    @Param({"true", "false"})
    public boolean centred;

    private RowNorm norm;
    private float[][] x;
    private float[][] y;
    private float[][] dy;
    private float[][] dx;
    private float[][] dWeight;
    private float[][] dBias;
    private float[][] scratch;
    private Tensor rows;
    private Tensor weight;
    private Tensor bias;
    private Tensor cotangent;

    /** Random rows. */
    @Setup(Level.Trial)
    public void setUp() {
        int tiles = ROWS / TILE;
        Random numbers = new Random(1);
        norm = new RowNorm(centred, width, EPS, normal(numbers, width), centred ? normal(numbers, width) : null);
        x = new float[tiles][];
        dy = new float[tiles][];
        y = new float[tiles][TILE * width];
        dx = new float[tiles][TILE * width];
        dWeight = new float[tiles][width];
        dBias = new float[tiles][width];
        scratch = new float[tiles][Lanes.COUNT];
        for (int i = 0; i < tiles; i++) {
            x[i] = normal(numbers, TILE * width);
            dy[i] = normal(numbers, TILE * width);
        }
        try (quern.tensor.Scope scope = quern.tensor.Scope.open()) {
            RandomStream random = new RandomStream(1);
            rows = Tensor.randn(random, ROWS, width).keep().requiresGrad_(true);
            weight = Tensor.randn(random, width).keep().requiresGrad_(true);
            bias = Tensor.zeros(DType.FP32, width).keep().requiresGrad_(true);
            cotangent = Tensor.randn(random, ROWS, width).keep();
        }
    }

    private static float[] normal(Random numbers, int count) {
        float[] all = new float[count];
        for (int i = 0; i < count; i++) {
            all[i] = (float) numbers.nextGaussian();
        }
        return all;
    }

    /** Frees the tensors. */
    @TearDown(Level.Trial)
    public void tearDown() {
        List.of(rows, weight, bias, cotangent).forEach(Tensor::close);
    }

    /** The kernel. */
    @Benchmark
    public void kernel() {
        KernelThreads.run(x.length, i -> {
            norm.forward(x[i], y[i], TILE, width, scratch[i]);
            norm.backward(x[i], dy[i], dx[i], TILE, width, dWeight[i], centred ? dBias[i] : null, scratch[i]);
        });
    }

    /** libtorch's operator. */
    @Benchmark
    public void plain() {
        try (quern.tensor.Scope scope = quern.tensor.Scope.open();
                Autograd.Mode mode = Autograd.enableGrad()) {
            if (centred) {
                Tensor result = Functional.layerNorm(rows, weight, bias, EPS);
                Autograd.grad(List.of(result), List.of(rows, weight, bias), List.of(cotangent), false, false);
            } else {
                Tensor result = Functional.rmsNorm(rows, weight, EPS);
                Autograd.grad(List.of(result), List.of(rows, weight), List.of(cotangent), false, false);
            }
        }
    }
}
