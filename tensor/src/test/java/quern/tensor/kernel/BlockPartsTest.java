package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** The parts of the decoder block in arrays, each alone against libtorch's operators and their autograd. */
@Tag("each-path")
class BlockPartsTest {
    /**
     * Of the largest element of a tensor, or of 1: fp32 sums of some hundred terms in another order. Worst measured: 9e-7
     * (attention), 5e-7 (norms), 3e-7 (activations).
     */
    private static final double FP32 = 4e-6;

    private Scope scope;
    private final RandomStream random = new RandomStream(8);

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
    }

    @BeforeEach
    void open() {
        scope = Scope.open();
    }

    @AfterEach
    void close() {
        scope.close();
    }

    private static void assertNear(Tensor expected, float[] actual, int stride, String what) {
        float[] theirs = expected.contiguous().toFloats();
        int width = (int) expected.size(-1);
        double largest = 0;
        double worst = 0;
        for (int i = 0; i < theirs.length; i++) {
            largest = Math.max(largest, Math.abs(theirs[i]));
            double error = Math.abs(theirs[i] - actual[i / width * stride + i % width]);
            assertTrue(Double.isFinite(error), what + " at " + i + " is " + actual[i / width * stride + i % width]);
            worst = Math.max(worst, error);
        }
        assertTrue(worst <= FP32 * Math.max(largest, 1), what + " is off by " + worst + " of " + largest);
    }

    /** The rows of a tensor in an array, {@code stride} apart. */
    private static float[] spread(Tensor x, int stride, int room) {
        float[] values = x.contiguous().toFloats();
        int width = (int) x.size(-1);
        float[] array = new float[room];
        for (int i = 0; i < values.length; i++) {
            array[i / width * stride + i % width] = values[i];
        }
        return array;
    }

    @ParameterizedTest
    @CsvSource({
        "true, 1, 3", "true, 7, 5", "true, 16, 1", "true, 65, 4", "true, 384, 9", "true, 33, 0",
        "false, 1, 3", "false, 7, 5", "false, 16, 1", "false, 65, 4", "false, 384, 9", "false, 33, 0"
    })
    void normsAreTorchs(boolean centred, int width, int rows) {
        if (rows == 0) {
            new RowNorm(centred, width, 1e-5, new float[64], null)
                    .forward(new float[0], new float[0], 0, 64, new float[Lanes.COUNT]);
            return;
        }
        int stride = Gemm.padColumns(width);
        Tensor x = Tensor.randn(random, rows, width).mul(3).add(1).requiresGrad_(true);
        Tensor weight = Tensor.randn(random, width).add(1).requiresGrad_(true);
        Tensor bias = centred ? Tensor.randn(random, width).requiresGrad_(true) : null;
        Tensor y = centred ? Functional.layerNorm(x, weight, bias, 1e-3) : Functional.rmsNorm(x, weight, 1e-3);
        Tensor dy = Tensor.randn(random, rows, width);
        Autograd.backward(List.of(y), List.of(dy));

        float[] scratch = new float[Lanes.COUNT];
        RowNorm norm = new RowNorm(
                centred,
                width,
                1e-3,
                spread(weight.detach(), stride, stride),
                centred ? spread(bias.detach(), stride, stride) : null);
        float[] rowsOfX = spread(x.detach(), stride, rows * stride);
        float[] result = new float[rows * stride];
        norm.forward(rowsOfX, result, rows, stride, scratch);
        assertNear(y.detach(), result, stride, "y");

        Tensor dx = Tensor.randn(random, rows, width);
        float[] sum = spread(dx, stride, rows * stride);
        float[] dWeight = new float[stride];
        float[] dBias = centred ? new float[stride] : null;
        norm.backward(rowsOfX, spread(dy, stride, rows * stride), sum, rows, stride, dWeight, dBias, scratch);
        assertNear(dx.add(x.grad()), sum, stride, "dx, which is added to");
        assertNear(weight.grad(), dWeight, stride, "dWeight");
        if (centred) {
            assertNear(bias.grad(), dBias, stride, "dBias");
        }
    }

    /** Rows far from zero beside their spread, where a variance by differences of squares would be noise. */
    @ParameterizedTest
    @CsvSource({"20", "33", "64"})
    void aLargeMeanLeavesTheVariance(int width) {
        int stride = Gemm.padColumns(width);
        float[] x = new float[stride];
        for (int i = 0; i < width; i++) {
            // Whole multiples of the spacing of floats around 1000.
            x[i] = 1000 + (i % 5 - 2) / 64f;
        }
        double mean = 0;
        double square = 0;
        for (int i = 0; i < width; i++) {
            mean += x[i] / (double) width;
        }
        for (int i = 0; i < width; i++) {
            square += (x[i] - mean) * (x[i] - mean) / width;
        }
        float[] weight = new float[stride];
        Arrays.fill(weight, 0, width, 1);
        float[] y = new float[stride];
        new RowNorm(true, width, 0, weight, null).forward(x, y, 1, stride, new float[Lanes.COUNT]);
        for (int i = 0; i < width; i++) {
            // The mean itself is rounded to 6e-5 of a deviation of 0.02.
            assertEquals((x[i] - mean) / Math.sqrt(square), y[i], 5e-3, "element " + i);
        }
    }

    private static Tensor activate(BlockActivation activation, Tensor x) {
        return switch (activation) {
            case SILU -> Functional.silu(x);
            case GELU_TANH -> Functional.geluTanh(x);
            case RELU -> x.relu();
        };
    }

    @ParameterizedTest
    @EnumSource
    void activationsAreTorchs(BlockActivation activation) {
        for (int n : new int[] {0, 1, 3, 15, 16, 17, 100}) {
            int stride = Gemm.padColumns(Math.max(1, n));
            Tensor x = Tensor.randn(random, n).mul(4).requiresGrad_(true);
            Tensor y = activate(activation, x);
            Tensor dy = Tensor.randn(random, n);
            Autograd.backward(List.of(y), List.of(dy));
            float[] in = spread(x.detach(), stride, stride);
            float[] hidden = new float[stride];
            activation.forward(in, 0, hidden, 0, n);
            assertNear(y.detach(), hidden, stride, "h of " + n);
            float[] dh = spread(dy, stride, stride);
            activation.backward(in, 0, dh, 0, dh, 0, n);
            assertNear(x.grad(), in, stride, "dx of " + n);
            assertNear(y.detach(), dh, stride, "h again, of " + n);
        }
    }

    /** As a block lies them: g, then u right behind it, whose first elements must outlive g's last vector. */
    @ParameterizedTest
    @EnumSource
    void gatedActivationsAreTorchs(BlockActivation activation) {
        for (int n : new int[] {1, 3, 15, 16, 17, 55, 64}) {
            int stride = Gemm.padColumns(2 * n);
            Tensor gu = Tensor.randn(random, 2L * n).mul(4).requiresGrad_(true);
            Tensor y = activate(activation, gu.narrow(0, 0, n)).mul(gu.narrow(0, n, n));
            Tensor dy = Tensor.randn(random, n);
            Autograd.backward(List.of(y), List.of(dy));
            float[] both = spread(gu.detach(), stride, stride);
            float[] hidden = new float[stride];
            activation.gated(both, 0, both, n, hidden, 0, n);
            assertNear(y.detach(), hidden, stride, "h of " + n);
            float[] dh = spread(dy, stride, stride);
            activation.gatedBackward(both, 0, both, n, dh, 0, dh, 0, n);
            assertNear(gu.grad(), both, stride, "dg and du of " + n);
            assertNear(y.detach(), dh, stride, "h again, of " + n);
        }
    }

    private static double exact(BlockActivation activation, double x) {
        double argument =
                activation == BlockActivation.SILU ? x : 2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
        return activation == BlockActivation.RELU ? Math.max(x, 0) : x / (1 + Math.exp(-argument));
    }

    /** Against doubles: libtorch's GELU loses its digits below -4, where 1 + tanh cancels. */
    @Test
    void activationsAtTheirEdges() {
        float[] edges = {0f, -0f, 1e-30f, -1e-30f, 20f, -20f, 90f, -90f, 1e4f, -1e4f, 1e18f, -1e18f, 1f, -1f, 5f, -5f};
        for (BlockActivation activation : BlockActivation.values()) {
            float[] hidden = new float[edges.length];
            activation.forward(edges, 0, hidden, 0, edges.length);
            for (int i = 0; i < edges.length; i++) {
                double expected = exact(activation, edges[i]);
                // The exponential's argument has a relative rounding of 6e-8, and may be -90.
                assertEquals(expected, hidden[i], 2e-5 * Math.abs(expected) + 1e-36, activation + " of " + edges[i]);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1, 1, 1, 1",
        "2, 1, 5, 7, 0.4",
        "4, 2, 10, 33, 0.3",
        "3, 3, 8, 64, 0.35",
        "4, 1, 16, 133, 0.25",
        "6, 2, 40, 31, 0.2"
    })
    void attentionIsTorchs(int heads, int keyValueHeads, int width, int length, double scale) {
        int group = heads / keyValueHeads;
        int stride = (heads + 2 * keyValueHeads) * width;
        Tensor qkv = Tensor.randn(random, length, stride).mul(2).requiresGrad_(true);
        Tensor q = split(qkv, 0, heads, width);
        Tensor k = repeat(split(qkv, heads, keyValueHeads, width), group);
        Tensor v = repeat(split(qkv, heads + keyValueHeads, keyValueHeads, width), group);
        Tensor later = Tensor.full(1, DType.FP32, Device.CPU, length, length).triu(1);
        Tensor scores = q.matmul(k.transpose(-2, -1)).mul(scale).maskedFill(later.ne(0), Double.NEGATIVE_INFINITY);
        Tensor y = Functional.softmax(scores, -1).matmul(v).transpose(0, 1).reshape(length, (long) heads * width);
        Tensor dy = Tensor.randn(random, length, (long) heads * width);
        Autograd.backward(List.of(y), List.of(dy));

        // Room for more, which must not show either.
        CausalAttentionRows rows = new CausalAttentionRows(heads, keyValueHeads, width, length + 19, scale);
        assertEquals(stride, rows.stride);
        int before = 5;
        float[] in = behind(before * stride, spread(qkv.detach(), stride, CausalAttentionRows.room(length, stride)));
        int resultRoom = CausalAttentionRows.room(length, rows.outputStride);
        int yAt = 3 * rows.outputStride;
        float[] results = behind(2, spread(dy, rows.outputStride, resultRoom));
        // What the last call left in the buffers must not show.
        for (int repeat = 0; repeat < 2; repeat++) {
            float[] out = new float[yAt + resultRoom];
            rows.forward(in, before * stride, out, yAt, length);
            assertNear(y.detach(), Arrays.copyOfRange(out, yAt, out.length), rows.outputStride, "y");
            float[] dIn = new float[stride + in.length];
            rows.backward(in, before * stride, results, 2, dIn, stride, length);
            assertNear(qkv.grad(), Arrays.copyOfRange(dIn, stride, dIn.length), stride, "dQkv");
            assertArrayEquals(new float[stride], Arrays.copyOf(dIn, stride), "what lies before");
        }
    }

    /** A sequence that ends with the rows, wherever it begins, is read within their room. */
    @Test
    void theLastSequenceOfATileHasRoom() {
        int length = 32;
        CausalAttentionRows rows = new CausalAttentionRows(2, 1, 16, length, 0.25);
        for (int tokens = 1; tokens <= length; tokens++) {
            int first = length - tokens;
            float[] in = new float[CausalAttentionRows.room(length, rows.stride)];
            float[] dIn = new float[in.length];
            float[] results = new float[CausalAttentionRows.room(length, rows.outputStride)];
            Arrays.fill(in, 0, length * rows.stride, 0.5f);
            rows.forward(in, first * rows.stride, results, first * rows.outputStride, tokens);
            // Alike values have themselves as their mean.
            for (int i = 0; i < results.length; i++) {
                boolean inside = i >= first * rows.outputStride && i < length * rows.outputStride;
                assertEquals(inside ? 0.5f : 0, results[i], 1e-6f, tokens + " tokens, place " + i);
            }
            rows.backward(
                    in, first * rows.stride, results, first * rows.outputStride, dIn, first * rows.stride, tokens);
        }
    }

    /** The values behind {@code count} others. */
    private static float[] behind(int count, float[] values) {
        float[] all = new float[count + values.length];
        Arrays.fill(all, 0, count, 1e6f);
        System.arraycopy(values, 0, all, count, values.length);
        return all;
    }

    /** Each head {@code group} times in a row. */
    private static Tensor repeat(Tensor x_HTD, int group) {
        long[] s = x_HTD.shape();
        return x_HTD.unsqueeze(1).expand(s[0], group, s[1], s[2]).reshape(s[0] * group, s[1], s[2]);
    }

    /** Heads of the columns from {@code first} on: [H, T, D]. */
    private static Tensor split(Tensor qkv, int first, int heads, int width) {
        return qkv.narrow(1, (long) first * width, (long) heads * width)
                .view(qkv.size(0), heads, width)
                .transpose(0, 1);
    }
}
