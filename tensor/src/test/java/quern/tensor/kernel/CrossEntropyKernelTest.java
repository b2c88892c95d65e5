package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import quern.recipe.QuernException;
import quern.tensor.kernel.CrossEntropyKernel.IndexType;
import quern.tensor.kernel.CrossEntropyKernel.Logits;
import quern.tensor.kernel.CrossEntropyKernel.Targets;

@Tag("each-path")
class CrossEntropyKernelTest {
    /** A rounding of the result to float and the sum of exponentials, each right to about 2e-7. */
    private static final double LOG_PROBABILITY_TOLERANCE = 1e-6;
    /** Relative: two units of the exponential, the factor's and the product's rounding, x - max before it. */
    private static final double FP32_GRADIENT_TOLERANCE = 2e-6;
    /** Relative: half a unit of bfloat16's 8 digits, and the float's error before it may tip the rounding. */
    private static final double BF16_GRADIENT_TOLERANCE = 0x1p-8;
    /** Softmax values below float's smallest normal number are flushed. */
    private static final double SMALLEST = 1.2e-38;

    private final int before = KernelThreads.count();

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
    }

    @AfterEach
    void restore() {
        KernelThreads.setCount(before);
    }

    @ParameterizedTest
    @CsvSource({
        "FP32, 5, 1, 1, INT64",
        "FP32, 9, 65, 65, INT64",
        "BF16, 9, 65, 72, INT32",
        "FP32, 3, 4096, 4100, INT32",
        "BF16, 3, 4097, 4097, INT64",
        "BF16, 4, 50304, 50304, INT64",
        "FP32, 2, 20003, 20010, INT64",
        "BF16, 700, 100, 100, INT32"
    })
    void equalsAPlainLoopInDouble(ElementType type, int rows, int columns, int stride, IndexType indexType) {
        SplittableRandom random = new SplittableRandom(rows * 31L + columns);
        try (Arena arena = Arena.ofShared()) {
            float[] values = Segments.rounded(Segments.random(random, rows * stride, 4), type);
            long[] targets = new long[rows];
            float[] weights = new float[rows];
            for (int row = 0; row < rows; row++) {
                targets[row] = row == 1 ? CrossEntropyKernel.IGNORED : random.nextInt(columns);
                weights[row] = random.nextFloat() - 0.3f;
            }
            targets[0] = columns - 1;
            MemorySegment segment = Segments.of(arena, type, values);
            Logits logits = new Logits(segment, type, rows, columns, stride);
            Targets wanted = targets(arena, indexType, targets);
            MemorySegment only = arena.allocate(rows * 4L, 4);
            MemorySegment both = arena.allocate(rows * 4L, 4);
            CrossEntropyKernel.logProbabilities(logits, wanted, only);
            assertArrayEquals(values, Segments.toFloats(segment, type, values.length), "logits stay as they are");
            CrossEntropyKernel.logProbabilitiesAndGradient(logits, wanted, Segments.floats(arena, weights), both);
            assertArrayEquals(
                    Segments.toFloats(only, ElementType.FP32, rows), Segments.toFloats(both, ElementType.FP32, rows));
            for (int row = 0; row < rows; row++) {
                checkRow(values, segment, logits, row, (int) targets[row], weights[row], both);
            }
        }
    }

    private static void checkRow(
            float[] values,
            MemorySegment segment,
            Logits logits,
            int row,
            int target,
            float weight,
            MemorySegment out) {
        ElementType type = logits.type();
        int columns = (int) logits.columns();
        int start = row * (int) logits.rowStride();
        float logProbability = Lanes.get(out, ElementType.FP32, row);
        double max = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < columns; j++) {
            max = Math.max(max, values[start + j]);
        }
        double sum = 0;
        for (int j = 0; j < columns; j++) {
            sum += Math.exp(values[start + j] - max);
        }
        boolean ignored = target == CrossEntropyKernel.IGNORED;
        double expected = ignored ? 0 : values[start + target] - max - Math.log(sum);
        assertEquals(
                expected, logProbability, LOG_PROBABILITY_TOLERANCE * Math.max(1, Math.abs(expected)), "row " + row);
        double relative = type == ElementType.BF16 ? BF16_GRADIENT_TOLERANCE : FP32_GRADIENT_TOLERANCE;
        for (int j = 0; j < columns; j++) {
            double softmax = Math.exp(values[start + j] - max) / sum;
            double gradient = ignored ? 0 : weight * (j == target ? Math.expm1(expected) : softmax);
            assertEquals(
                    gradient,
                    Lanes.get(segment, type, start + j),
                    relative * Math.abs(gradient) + SMALLEST,
                    "row %d column %d".formatted(row, j));
        }
        for (int j = start + columns; j < Math.min(values.length, start + (int) logits.rowStride()); j++) {
            assertEquals(values[j], Lanes.get(segment, type, j), "between the rows");
        }
    }

    @ParameterizedTest
    @CsvSource({
        "FP32, 65, 0.1, 0, false",
        "FP32, 4097, 0, 0.01, true",
        "BF16, 4100, 0.3, 0.002, true",
        "FP32, 20003, 1, 0.0001, false",
        "BF16, 50304, 0, 0, true"
    })
    void aPenalizedLossEqualsAPlainLoopInDouble(
            ElementType type, int columns, double smoothing, double zLoss, boolean plain) {
        int rows = 4;
        SplittableRandom random = new SplittableRandom(columns);
        try (Arena arena = Arena.ofShared()) {
            float[] values = Segments.rounded(Segments.random(random, rows * columns, 4), type);
            long[] targets = {columns - 1, 0, CrossEntropyKernel.IGNORED, random.nextInt(columns)};
            float[] weights = {0.3f, -1, 2, 0.5f};
            float[] plains = plain ? new float[] {0.1f, 0.7f, 1, -0.2f} : new float[rows];
            MemorySegment segment = Segments.of(arena, type, values);
            MemorySegment logProbabilities = arena.allocate(rows * 4L, 4);
            MemorySegment losses = arena.allocate(rows * 4L, 4);
            CrossEntropyKernel.penalizedLossAndGradient(
                    new Logits(segment, type, rows, columns, columns),
                    targets(arena, IndexType.INT64, targets),
                    new CrossEntropyKernel.Penalty(smoothing, zLoss),
                    new CrossEntropyKernel.Rows(
                            Segments.floats(arena, weights),
                            plain ? Segments.floats(arena, plains) : null,
                            logProbabilities,
                            losses));
            for (int row = 0; row < rows; row++) {
                double sum = 0;
                double mean = 0;
                for (int j = 0; j < columns; j++) {
                    sum += Math.exp(values[row * columns + j]);
                    mean += (double) values[row * columns + j] / columns;
                }
                boolean ignored = targets[row] == CrossEntropyKernel.IGNORED;
                double logZ = Math.log(sum);
                double logProbability = ignored ? 0 : values[row * columns + (int) targets[row]] - logZ;
                double loss = ignored
                        ? 0
                        : -(1 - smoothing) * logProbability - smoothing * (mean - logZ) + zLoss * logZ * logZ;
                double scale = LOG_PROBABILITY_TOLERANCE * Math.max(1, Math.abs(loss) + Math.abs(logProbability));
                assertEquals(logProbability, Lanes.get(logProbabilities, ElementType.FP32, row), scale, "row " + row);
                assertEquals(loss, Lanes.get(losses, ElementType.FP32, row), scale, "row " + row);
                double relative = type == ElementType.BF16 ? BF16_GRADIENT_TOLERANCE : FP32_GRADIENT_TOLERANCE;
                for (int j = 0; j < columns; j++) {
                    double pulled = weights[row] * (1 + 2 * zLoss * logZ) + plains[row];
                    double p = Math.exp(values[row * columns + j] - logZ);
                    double floor = weights[row] * smoothing / columns;
                    double onehot = j == targets[row] ? weights[row] * (1 - smoothing) + plains[row] : 0;
                    double gradient = ignored ? 0 : pulled * p - floor - onehot;
                    // The terms may cancel: each is rounded on its own.
                    double terms = Math.abs(pulled * p) + Math.abs(floor) + (j == targets[row] ? 1 : 0);
                    assertEquals(
                            gradient,
                            Lanes.get(segment, type, (long) row * columns + j),
                            relative * Math.abs(gradient) + FP32_GRADIENT_TOLERANCE * terms + SMALLEST,
                            "row %d column %d".formatted(row, j));
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void theSameBitsForAnyThreads(ElementType type) {
        int rows = 37;
        int columns = 9001;
        float[] values = Segments.random(new SplittableRandom(3), rows * columns, 3);
        float[] weights = Segments.random(new SplittableRandom(4), rows, 1);
        long[] targets = new long[rows];
        for (int row = 0; row < rows; row++) {
            targets[row] = row * 101L % columns;
        }
        float[] firstGradient = null;
        float[] firstOut = null;
        for (int threads = 1; threads <= 4; threads++) {
            KernelThreads.setCount(threads);
            try (Arena arena = Arena.ofShared()) {
                MemorySegment segment = Segments.of(arena, type, values);
                MemorySegment out = arena.allocate(rows * 4L, 4);
                CrossEntropyKernel.logProbabilitiesAndGradient(
                        new Logits(segment, type, rows, columns, columns),
                        targets(arena, IndexType.INT64, targets),
                        Segments.floats(arena, weights),
                        out);
                float[] gradient = Segments.toFloats(segment, type, rows * columns);
                float[] logProbabilities = Segments.toFloats(out, ElementType.FP32, rows);
                if (firstGradient == null) {
                    firstGradient = gradient;
                    firstOut = logProbabilities;
                }
                assertArrayEquals(firstGradient, gradient);
                assertArrayEquals(firstOut, logProbabilities);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void masksAndHugeLogits(ElementType type) {
        float masked = Float.NEGATIVE_INFINITY;
        float[] row = new float[8200];
        java.util.Arrays.fill(row, masked);
        row[5000] = 3;
        row[8199] = 3;
        Result result = one(type, row, 5000);
        assertEquals(-Math.log(2), result.logProbability, LOG_PROBABILITY_TOLERANCE);
        assertEquals(-0.5, result.gradient[5000], BF16_GRADIENT_TOLERANCE);
        assertEquals(0.5, result.gradient[8199], BF16_GRADIENT_TOLERANCE);
        assertEquals(0, result.gradient[0]);

        // A power of two, so that bfloat16 holds it.
        Result huge = one(type, new float[] {0x1p100f, -0x1p100f, 0, 0x1p100f}, 0);
        assertEquals(-Math.log(2), huge.logProbability, LOG_PROBABILITY_TOLERANCE);

        assertEquals(Float.NEGATIVE_INFINITY, one(type, new float[] {masked, 1}, 0).logProbability);
    }

    @ParameterizedTest
    @EnumSource
    void nonFiniteRowsGiveNaN(ElementType type) {
        for (int columns : new int[] {3, 40, 9000}) {
            for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
                for (int at : new int[] {0, columns / 2, columns - 1}) {
                    float[] row = Segments.random(new SplittableRandom(at), columns, 1);
                    row[at] = bad;
                    Result result = one(type, row, 1);
                    assertTrue(Float.isNaN(result.logProbability), "%d %f %d".formatted(columns, bad, at));
                    assertTrue(Float.isNaN(result.gradient[at]));
                    assertTrue(Float.isNaN(result.gradient[1]));
                }
            }
            float[] nothing = new float[columns];
            java.util.Arrays.fill(nothing, Float.NEGATIVE_INFINITY);
            assertTrue(Float.isNaN(one(type, nothing, 1).logProbability));
        }
    }

    @Test
    void aTargetOutsideIsNamedBeforeAnythingIsWritten() {
        try (Arena arena = Arena.ofShared()) {
            float[] values = {1, 2, 3, 4, 5, 6};
            for (long bad : new long[] {3, -1, -101, Long.MAX_VALUE}) {
                MemorySegment segment = Segments.of(arena, ElementType.FP32, values);
                Logits logits = new Logits(segment, ElementType.FP32, 2, 3, 3);
                MemorySegment out = Segments.floats(arena, 7, 7);
                QuernException e = assertThrows(
                        QuernException.class,
                        () -> CrossEntropyKernel.logProbabilitiesAndGradient(
                                logits, targets(arena, IndexType.INT64, 0, bad), Segments.floats(arena, 1, 1), out));
                assertTrue(e.getMessage().contains("row 1 has the target " + bad), e.getMessage());
                assertArrayEquals(values, Segments.toFloats(segment, ElementType.FP32, 6));
                assertArrayEquals(new float[] {7, 7}, Segments.toFloats(out, ElementType.FP32, 2));
            }
        }
    }

    @Test
    void wrongSizesAreRefused() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment six = Segments.floats(arena, 1, 2, 3, 4, 5, 6);
            assertThrows(IllegalArgumentException.class, () -> new Logits(six, ElementType.FP32, 2, 4, 4));
            assertThrows(IllegalArgumentException.class, () -> new Logits(six, ElementType.FP32, 2, 3, 2));
            assertThrows(IllegalArgumentException.class, () -> new Logits(six, ElementType.FP32, 1, 0, 0));
            Logits logits = new Logits(six, ElementType.FP32, 2, 3, 3);
            Targets one = targets(arena, IndexType.INT64, 1);
            assertThrows(IllegalArgumentException.class, () -> CrossEntropyKernel.logProbabilities(logits, one, six));
        }
    }

    private record Result(float logProbability, float[] gradient) {}

    private static Result one(ElementType type, float[] row, long target) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment segment = Segments.of(arena, type, row);
            MemorySegment out = arena.allocate(4, 4);
            CrossEntropyKernel.logProbabilitiesAndGradient(
                    new Logits(segment, type, 1, row.length, row.length),
                    targets(arena, IndexType.INT64, target),
                    Segments.floats(arena, 1),
                    out);
            return new Result(Lanes.get(out, ElementType.FP32, 0), Segments.toFloats(segment, type, row.length));
        }
    }

    private static Targets targets(Arena arena, IndexType type, long... values) {
        if (type == IndexType.INT64) {
            return new Targets(arena.allocateFrom(ValueLayout.JAVA_LONG, values), type);
        }
        MemorySegment segment = arena.allocate(values.length * 4L, 4);
        for (int i = 0; i < values.length; i++) {
            segment.setAtIndex(ValueLayout.JAVA_INT, i, (int) values[i]);
        }
        return new Targets(segment, type);
    }
}
