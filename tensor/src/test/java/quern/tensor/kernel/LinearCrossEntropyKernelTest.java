package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.recipe.QuernException;
import quern.tensor.CrossEntropy;
import quern.tensor.DType;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Against libtorch's products and softmax. */
@Tag("each-path")
class LinearCrossEntropyKernelTest {
    /** Of the largest element: fp32 sums of up to some thousand terms in another order. Worst measured: 2e-6. */
    private static final double TOLERANCE = 1e-5;

    /** A result in bf16 is rounded once, to 8 significant bits. */
    private static final double BF16 = 1.0 / 256 + TOLERANCE;

    private int threads;
    private Scope scope;

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
    }

    @BeforeEach
    void open() {
        threads = KernelThreads.count();
        scope = Scope.open();
    }

    @AfterEach
    void close() {
        scope.close();
        KernelThreads.setCount(threads);
    }

    /** A head, rows and their targets, and what comes out. */
    private static final class Case {
        final Tensor x;
        final Tensor w;
        /** Or null. */
        final Tensor b;

        final Tensor targets;
        final Tensor weights;
        final Tensor logprobs;
        final Tensor dx;
        final Tensor dw;
        final Tensor db;

        Case(int rows, int width, int vocabulary, DType dtype) {
            this(rows, width, vocabulary, dtype, false);
        }

        Case(int rows, int width, int vocabulary, DType dtype, boolean biased) {
            RandomStream random = new RandomStream(7);
            x = Tensor.randn(random, rows, width).to(dtype);
            w = Tensor.randn(random, vocabulary, width).to(dtype);
            long[] t = new long[rows];
            for (int i = 0; i < rows; i++) {
                t[i] = i * 7919L % vocabulary;
            }
            targets = Tensor.of(t, rows);
            weights = Tensor.randn(random, rows).mul(0.1);
            logprobs = Tensor.full(Double.NaN, DType.FP32, x.device(), rows);
            dx = Tensor.full(Double.NaN, dtype, x.device(), rows, width);
            dw = Tensor.full(3, DType.FP32, x.device(), vocabulary, width);
            b = biased ? Tensor.randn(random, vocabulary).to(dtype) : null;
            db = biased ? Tensor.full(3, DType.FP32, x.device(), vocabulary) : null;
        }

        private static MemorySegment memory(Tensor t) {
            return t == null ? null : t.memory();
        }

        private LinearCrossEntropyKernel.Head head() {
            return new LinearCrossEntropyKernel.Head(w.memory(), memory(b), type(), (int) w.size(0), (int) w.size(1));
        }

        private LinearCrossEntropyKernel.Rows rows() {
            return new LinearCrossEntropyKernel.Rows(
                    x.memory(), type(), targets.memory(), (int) x.size(0), logprobs.memory());
        }

        private ElementType type() {
            return x.dtype() == DType.FP32 ? ElementType.FP32 : ElementType.BF16;
        }

        void gradients(boolean wanted, boolean added) {
            LinearCrossEntropyKernel.logProbabilitiesAndGradients(
                    head(),
                    rows(),
                    new LinearCrossEntropyKernel.Gradients(
                            weights.memory(),
                            dx.memory(),
                            wanted ? dw.memory() : null,
                            wanted ? memory(db) : null,
                            added));
        }
    }

    private static void assertNear(Tensor expected, Tensor actual, double tolerance, String what) {
        float[] e = expected.to(DType.FP32).contiguous().toFloats();
        float[] a = actual.to(DType.FP32).toFloats();
        assertEquals(e.length, a.length);
        double largest = 0;
        double worst = 0;
        for (int i = 0; i < e.length; i++) {
            largest = Math.max(largest, Math.abs(e[i]));
            // A NaN must not pass as the smaller of two numbers.
            worst = Double.isNaN(a[i]) ? Double.NaN : Math.max(worst, Math.abs(e[i] - a[i]));
        }
        assertTrue(worst <= tolerance * largest, what + " is off by " + worst + " of " + largest);
    }

    @ParameterizedTest
    @CsvSource({
        "FP32, 70, 48, 1000, 2, false",
        "FP32, 1, 1, 1, 2, true",
        "FP32, 33, 7, 129, 3, true",
        "FP32, 5, 100, 127, 2, false",
        "FP32, 300, 33, 2500, 1, true",
        "BF16, 70, 48, 1000, 2, true",
        "BF16, 9, 65, 641, 5, false"
    })
    void equalsLibtorch(DType dtype, int rows, int width, int vocabulary, int count, boolean biased) {
        KernelThreads.setCount(count);
        Case c = new Case(rows, width, vocabulary, dtype, biased);
        Tensor x = c.x.to(DType.FP32);
        Tensor w = c.w.to(DType.FP32);
        Tensor dz = x.matmul(w.t());
        if (biased) {
            dz.add_(c.b.to(DType.FP32));
        }
        Tensor logprobs = Tensor.empty(DType.FP32, x.device(), rows);
        CrossEntropy.plain(dz, c.targets, c.weights, logprobs);
        Tensor dw = dz.t().matmul(x);
        Tensor db = dz.sum(false, 0);
        double rounded = dtype == DType.FP32 ? TOLERANCE : BF16;
        LinearCrossEntropyKernel.logProbabilities(c.head(), c.rows());
        assertNear(logprobs, c.logprobs, TOLERANCE, "logprobs alone");
        // Twice, since arrays are used again.
        for (int i = 0; i < 2; i++) {
            c.gradients(true, false);
            assertNear(logprobs, c.logprobs, TOLERANCE, "logprobs");
            assertNear(dz.matmul(w), c.dx, rounded, "dx");
            assertNear(dw, c.dw, TOLERANCE, "dw");
            if (biased) {
                assertNear(db, c.db, TOLERANCE, "db");
            }
        }
        c.gradients(true, true);
        assertNear(dw.mul(2), c.dw, TOLERANCE, "dw added");
        if (biased) {
            assertNear(db.mul(2), c.db, TOLERANCE, "db added");
        }
        Tensor before = c.dw.copy();
        c.gradients(false, true);
        assertNear(dz.matmul(w), c.dx, rounded, "dx alone");
        assertArrayEquals(before.toFloats(), c.dw.toFloats());
    }

    @Test
    void sameThreadsGiveTheSameBits() {
        KernelThreads.setCount(3);
        Case a = new Case(70, 48, 1000, DType.FP32);
        Case b = new Case(70, 48, 1000, DType.FP32);
        a.gradients(true, false);
        b.gradients(true, false);
        assertArrayEquals(a.logprobs.toFloats(), b.logprobs.toFloats());
        assertArrayEquals(a.dx.toFloats(), b.dx.toFloats());
        assertArrayEquals(a.dw.toFloats(), b.dw.toFloats());
    }

    @Test
    void logProbabilitiesAndWeightGradientsAreTheSameBitsWithAnyThreads() {
        Case a = new Case(70, 48, 1000, DType.FP32);
        Case b = new Case(70, 48, 1000, DType.FP32);
        KernelThreads.setCount(1);
        a.gradients(true, false);
        KernelThreads.setCount(4);
        b.gradients(true, false);
        assertArrayEquals(a.logprobs.toFloats(), b.logprobs.toFloats());
        assertArrayEquals(a.dw.toFloats(), b.dw.toFloats());
    }

    /** A head's arrays grow, and a call with fewer rows leaves the rest alone. */
    @Test
    void anyNumberOfRowsAfterAnyOther() {
        Case few = new Case(5, 48, 900, DType.FP32);
        few.gradients(true, false);
        float[] dw = few.dw.toFloats();
        float[] dx = few.dx.toFloats();
        new Case(200, 48, 900, DType.FP32).gradients(true, false);
        few.gradients(true, false);
        assertArrayEquals(dw, few.dw.toFloats());
        assertArrayEquals(dx, few.dx.toFloats());
    }

    /** Logits of up to 10,000: far ones underflow, and a target that is nearly certain keeps its digits. */
    @Test
    void largeLogits() {
        Case c = new Case(40, 32, 700, DType.FP32);
        c.w.mul_(1000);
        Tensor dz = c.x.matmul(c.w.t());
        Tensor logprobs = Tensor.empty(DType.FP32, c.x.device(), 40);
        CrossEntropy.plain(dz, c.targets, c.weights, logprobs);
        c.gradients(true, false);
        assertNear(logprobs, c.logprobs, TOLERANCE, "logprobs");
        assertNear(dz.t().matmul(c.x), c.dw, TOLERANCE, "dw");
        assertNear(dz.matmul(c.w), c.dx, TOLERANCE, "dx");
    }

    @Test
    void rowsThatAreNotFiniteSpoilNoOtherRow() {
        Case c = new Case(40, 32, 700, DType.FP32);
        float[] x = c.x.toFloats();
        x[5 * 32 + 3] = Float.NaN;
        x[6 * 32 + 3] = Float.POSITIVE_INFINITY;
        c.x.copy_(Tensor.of(x, 40, 32));
        c.gradients(true, false);
        float[] logprobs = c.logprobs.toFloats();
        float[] dx = c.dx.toFloats();
        for (int row = 0; row < 40; row++) {
            boolean bad = row == 5 || row == 6;
            assertEquals(bad, Float.isNaN(logprobs[row]), "row " + row);
            assertEquals(bad, Float.isNaN(dx[row * 32]), "dx of row " + row);
        }
        assertTrue(Float.isNaN(c.dw.toFloats()[0]));
        // Nor a row of a later call.
        Case next = new Case(37, 32, 700, DType.FP32);
        next.gradients(true, false);
        for (float y : next.dw.toFloats()) {
            assertTrue(Float.isFinite(y));
        }
    }

    @Test
    void targetsOutsideTheVocabularyAreRefused() {
        for (long target : new long[] {-1, 700, -100}) {
            Case c = new Case(40, 32, 700, DType.FP32);
            long[] t = c.targets.toLongs();
            t[8] = target;
            c.targets.copy_(Tensor.of(t, 40));
            QuernException e = assertThrows(QuernException.class, () -> c.gradients(true, false));
            assertTrue(
                    e.getMessage().contains("row 8 has the target " + target + ", expected 0 to 699"), e.getMessage());
            assertEquals(3, c.dw.toFloats()[0]);
        }
    }

    @Test
    void segmentsThatAreTooShortAreRefused() {
        Case c = new Case(40, 32, 700, DType.FP32);
        LinearCrossEntropyKernel.Rows tooMany = new LinearCrossEntropyKernel.Rows(
                c.x.memory(), ElementType.FP32, c.targets.memory(), 41, c.logprobs.memory());
        assertThrows(
                IllegalArgumentException.class, () -> LinearCrossEntropyKernel.logProbabilities(c.head(), tooMany));
        assertThrows(
                IllegalArgumentException.class,
                () -> new LinearCrossEntropyKernel.Head(c.w.memory(), null, ElementType.FP32, 701, 32));
    }
}
