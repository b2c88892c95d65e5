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
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/**
 * Causal attention of 4 sequences, 8 query heads over 4 key-value heads of 64 features, forward and backward in fp32: the
 * kernel, which meets keys up to a strip's end only, beside libtorch's products, mask and softmax with autograd. In the
 * kernel's package, since blocks alone call it.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class AttentionBenchmark {
    private static final int BATCH = 4;
    private static final int HEADS = 8;
    private static final int KEY_HEADS = 4;
    private static final int WIDTH = 64;
    private static final double SCALE = 0.125;

    /** Tokens of a sequence. */
    @Param({"256", "512", "2048"})
    public int length;

    private CausalAttentionRows[] lanes;
    private float[][] qkv;
    private float[][] y;
    private float[][] dy;
    private float[][] dQkv;
    private Tensor queries;
    private Tensor keys;
    private Tensor values;
    private Tensor mask;
    private Tensor cotangent;

    /** Random queries, keys and values. */
    @Setup(Level.Trial)
    public void setUp() {
        lanes = new CausalAttentionRows[BATCH];
        qkv = new float[BATCH][];
        y = new float[BATCH][];
        dy = new float[BATCH][];
        dQkv = new float[BATCH][];
        Random numbers = new Random(1);
        for (int i = 0; i < BATCH; i++) {
            lanes[i] = new CausalAttentionRows(HEADS, KEY_HEADS, WIDTH, length, SCALE);
            qkv[i] = normal(numbers, CausalAttentionRows.room(length, lanes[i].stride));
            dQkv[i] = new float[qkv[i].length];
            dy[i] = normal(numbers, CausalAttentionRows.room(length, lanes[i].outputStride));
            y[i] = new float[dy[i].length];
        }
        try (quern.tensor.Scope scope = quern.tensor.Scope.open()) {
            RandomStream random = new RandomStream(1);
            queries = Tensor.randn(random, BATCH, HEADS, length, WIDTH).keep().requiresGrad_(true);
            keys = Tensor.randn(random, BATCH, KEY_HEADS, length, WIDTH).keep().requiresGrad_(true);
            values =
                    Tensor.randn(random, BATCH, KEY_HEADS, length, WIDTH).keep().requiresGrad_(true);
            cotangent = Tensor.randn(random, BATCH, HEADS, length, WIDTH).keep();
            float[] hidden = new float[length * length];
            for (int row = 0; row < length; row++) {
                for (int column = row + 1; column < length; column++) {
                    hidden[row * length + column] = Float.NEGATIVE_INFINITY;
                }
            }
            mask = Tensor.of(hidden, length, length)
                    .to(Device.CPU)
                    .to(DType.FP32)
                    .keep();
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
        List.of(queries, keys, values, mask, cotangent).forEach(Tensor::close);
    }

    /** The kernel, a sequence a block. */
    @Benchmark
    public void kernel() {
        KernelThreads.run(BATCH, i -> {
            lanes[i].forward(qkv[i], 0, y[i], 0, length);
            lanes[i].backward(qkv[i], 0, dy[i], 0, dQkv[i], 0, length);
        });
    }

    /** libtorch's operators. */
    @Benchmark
    public void plain() {
        try (quern.tensor.Scope scope = quern.tensor.Scope.open();
                Autograd.Mode mode = Autograd.enableGrad()) {
            Tensor k = repeated(keys);
            Tensor v = repeated(values);
            Tensor scores = queries.matmul(k.transpose(2, 3)).mul(SCALE).add(mask);
            Tensor result = Functional.softmax(scores, -1).matmul(v);
            Autograd.grad(List.of(result), List.of(queries, keys, values), List.of(cotangent), false, false);
        }
    }

    /** Every key-value head for each of its query heads. */
    private Tensor repeated(Tensor x) {
        int group = HEADS / KEY_HEADS;
        return x.unsqueeze(2).expand(BATCH, KEY_HEADS, group, length, WIDTH).reshape(BATCH, HEADS, length, WIDTH);
    }
}
