package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import quern.recipe.QuernException;

/**
 * Log-probabilities of targets under rows of logits, and the gradient of their weighted negative sum, written over the
 * logits.
 *
 * <p>For row i with logits x, target t and weight w: log p = x_t - log Σ_j exp x_j, and the gradient is w (softmax(x) -
 * onehot(t)). One pass over a row finds the maximum and the sum of exponentials together (Milakov, Gimelshein: <a
 * href="https://arxiv.org/abs/1805.02867">Online normalizer calculation for softmax</a>), a chunk that fits the first
 * cache at a time, the chunks' sums in double; the second writes the gradient. Exponentials are off by less than 2 units
 * in the last place.
 *
 * <p>With a {@link Penalty} a row's loss is -(1-ε) log p_t - ε (mean x - log Z) + ζ (log Z)², Z = Σ_j exp x_j, and its
 * gradient (1 + 2ζ log Z) softmax(x) - (1-ε) onehot(t) - ε/V. The mean is one more pass over a row, made when ε is not 0.
 *
 * <p>A row whose target is {@link #IGNORED} gets log-probability 0, loss 0 and gradient 0. A row with a NaN, a positive infinity
 * or nothing but negative infinities gets NaN, as in libtorch.
 */
public final class CrossEntropyKernel {
    /** The target of a row that does not count. */
    public static final long IGNORED = -100;

    /** Elements of a row that are read twice in a row, so they must stay in the first cache. */
    private static final int CHUNK = 4096;

    private CrossEntropyKernel() {}

    /**
     * Rows of logits.
     *
     * @param segment starts with the first row
     * @param columns V, the size of the vocabulary
     * @param rowStride elements from a row's start to the next one's, at least {@code columns}
     */
    public record Logits(MemorySegment segment, ElementType type, long rows, long columns, long rowStride) {
        /** Checks the sizes. */
        public Logits {
            if (rows < 0 || columns < 1 || rowStride < columns) {
                throw new IllegalArgumentException(
                        "logits of %d rows, %d columns, row stride %d: expected at least 0, 1, %d"
                                .formatted(rows, columns, rowStride, columns));
            }
            long elements = rows == 0 ? 0 : Math.addExact(Math.multiplyExact(rows - 1, rowStride), columns);
            Kernels.checkHolds("logits", segment, elements, type.bytes());
        }
    }

    /** The width of a target. */
    public enum IndexType {
        /** 32-bit integers. */
        INT32,
        /** 64-bit integers. */
        INT64
    }

    /** Targets, one a row: in [0, V) or {@link #IGNORED}. */
    public record Targets(MemorySegment segment, IndexType type) {
        long get(long row) {
            return type == IndexType.INT64
                    ? segment.get(ValueLayout.JAVA_LONG_UNALIGNED, row * 8)
                    : segment.get(ValueLayout.JAVA_INT_UNALIGNED, row * 4);
        }
    }

    /**
     * Writes each row's log-probability; the logits stay as they are.
     *
     * @param logProbabilities fp32, one a row, overwritten
     * @throws QuernException failed when a target is outside the vocabulary or the kernels are not available
     * @throws IllegalArgumentException when a segment is too short
     */
    public static void logProbabilities(Logits logits, Targets targets, MemorySegment logProbabilities) {
        check(logits, targets, logProbabilities);
        forRows(logits, row -> {
            long target = targets.get(row);
            float logProbability = target == IGNORED
                    ? 0
                    : (float) Loops.normalizer(logits, row).logProbability(logits, row, target);
            logProbabilities.set(ValueLayout.JAVA_FLOAT_UNALIGNED, row * 4, logProbability);
        });
    }

    /**
     * Writes each row's log-probability, and over the logits the gradient of {@code -Σ weight · log p}, in the logits' type.
     * All targets are checked before anything is written. What lies between rows (a stride beyond the columns) stays.
     *
     * @param weights fp32, one a row
     * @param logProbabilities fp32, one a row, overwritten
     * @throws QuernException failed when a target is outside the vocabulary or the kernels are not available
     * @throws IllegalArgumentException when a segment is too short
     */
    public static void logProbabilitiesAndGradient(
            Logits logits, Targets targets, MemorySegment weights, MemorySegment logProbabilities) {
        check(logits, targets, logProbabilities);
        Kernels.checkHolds("weights", weights, logits.rows(), Float.BYTES);
        requireWritable(logits);
        forRows(logits, row -> {
            long target = targets.get(row);
            float logProbability = 0;
            if (target == IGNORED) {
                clear(logits, row);
            } else {
                float weight = weights.get(ValueLayout.JAVA_FLOAT_UNALIGNED, row * 4);
                Normalizer normalizer = Loops.normalizer(logits, row);
                double exact = normalizer.logProbability(logits, row, target);
                Loops.gradient(logits, row, normalizer, weight, 0);
                // p - 1 by expm1: no digits are lost when p is near 1.
                float atTarget = (float) (weight * Math.expm1(exact));
                Lanes.set(logits.segment(), logits.type(), start(logits, row) + target, atTarget);
                logProbability = (float) exact;
            }
            logProbabilities.set(ValueLayout.JAVA_FLOAT_UNALIGNED, row * 4, logProbability);
        });
    }

    /**
     * What a row's loss has beside its negative log-probability.
     *
     * @param labelSmoothing ε in 0 to 1
     * @param zLoss ζ, 0 or more
     */
    public record Penalty(double labelSmoothing, double zLoss) {
        /** Checks the ranges. */
        public Penalty {
            if (!(labelSmoothing >= 0 && labelSmoothing <= 1) || !(zLoss >= 0 && zLoss < Double.POSITIVE_INFINITY)) {
                throw new IllegalArgumentException(
                        "label smoothing %s, z-loss %s: expected 0 to 1, and a finite number of 0 or more"
                                .formatted(labelSmoothing, zLoss));
            }
        }
    }

    /** What goes into and comes out of {@link #penalizedLossAndGradient}, all fp32 and one a row. */
    public record Rows(
            MemorySegment weights, MemorySegment plainWeights, MemorySegment logProbabilities, MemorySegment losses) {}

    /**
     * Writes each row's log-probability and its loss under a penalty, and over the logits the gradient of {@code Σ weight ·
     * loss - Σ plain weight · log p}. Otherwise as {@link #logProbabilitiesAndGradient}.
     *
     * @param rows {@code plainWeights} may be null; {@code logProbabilities} and {@code losses} are overwritten
     */
    public static void penalizedLossAndGradient(Logits logits, Targets targets, Penalty penalty, Rows rows) {
        check(logits, targets, rows.logProbabilities());
        Kernels.checkHolds("weights", rows.weights(), logits.rows(), Float.BYTES);
        if (rows.plainWeights() != null) {
            Kernels.checkHolds("plain weights", rows.plainWeights(), logits.rows(), Float.BYTES);
        }
        Kernels.checkWritable("losses", rows.losses(), logits.rows(), Float.BYTES);
        requireWritable(logits);
        forRows(logits, row -> {
            long target = targets.get(row);
            double logProbability = 0;
            double loss = 0;
            if (target == IGNORED) {
                clear(logits, row);
            } else {
                double weight = rows.weights().get(ValueLayout.JAVA_FLOAT_UNALIGNED, row * 4);
                double plain = rows.plainWeights() == null
                        ? 0
                        : rows.plainWeights().get(ValueLayout.JAVA_FLOAT_UNALIGNED, row * 4);
                double epsilon = penalty.labelSmoothing();
                Normalizer normalizer = Loops.normalizer(logits, row);
                double logZ = normalizer.shift() + Math.log(normalizer.sum());
                logProbability = normalizer.logProbability(logits, row, target);
                loss = (epsilon - 1) * logProbability + penalty.zLoss() * logZ * logZ;
                if (epsilon > 0) {
                    loss -= epsilon * (Loops.total(logits, row) / logits.columns() - logZ);
                }
                double pull = 2 * penalty.zLoss() * logZ;
                double factor = weight * (1 + pull) + plain;
                double floor = weight * epsilon / logits.columns();
                Loops.gradient(logits, row, normalizer, factor, (float) floor);
                // factor·(p - 1), by expm1 as above, and what is left of the three terms at the target.
                double atTarget = factor * Math.expm1(logProbability) + weight * (pull + epsilon) - floor;
                Lanes.set(logits.segment(), logits.type(), start(logits, row) + target, (float) atTarget);
            }
            rows.logProbabilities().set(ValueLayout.JAVA_FLOAT_UNALIGNED, row * 4, (float) logProbability);
            rows.losses().set(ValueLayout.JAVA_FLOAT_UNALIGNED, row * 4, (float) loss);
        });
    }

    private static void requireWritable(Logits logits) {
        if (logits.segment().isReadOnly()) {
            throw new IllegalArgumentException("logits are read-only, but the gradient goes over them");
        }
    }

    private static void clear(Logits logits, long row) {
        long rowBytes = logits.columns() * logits.type().bytes();
        logits.segment()
                .asSlice(start(logits, row) * logits.type().bytes(), rowBytes)
                .fill((byte) 0);
    }

    private static void check(Logits logits, Targets targets, MemorySegment logProbabilities) {
        Kernels.require();
        Kernels.checkHolds(
                "targets",
                targets.segment(),
                logits.rows(),
                targets.type() == IndexType.INT64 ? Long.BYTES : Integer.BYTES);
        Kernels.checkWritable("log-probabilities", logProbabilities, logits.rows(), Float.BYTES);
        for (long row = 0; row < logits.rows(); row++) {
            long target = targets.get(row);
            if (target != IGNORED && (target < 0 || target >= logits.columns())) {
                throw QuernException.failed(
                        "row %d has the target %d, expected 0 to %d or %d to skip it; check that the tokenizer's vocabulary fits the model",
                        row, target, logits.columns() - 1, IGNORED);
            }
        }
    }

    @FunctionalInterface
    private interface RowTask {
        void run(long row);
    }

    private static void forRows(Logits logits, RowTask task) {
        long rowsPerBlock = Math.max(1, Blocks.SIZE / logits.columns());
        KernelThreads.run(Math.toIntExact(Math.ceilDiv(logits.rows(), rowsPerBlock)), block -> {
            long begin = block * rowsPerBlock;
            long end = Math.min(logits.rows(), begin + rowsPerBlock);
            for (long row = begin; row < end; row++) {
                task.run(row);
            }
        });
    }

    private static long start(Logits logits, long row) {
        return row * logits.rowStride();
    }

    /** A row's shift and the sum of exp(x - shift); the shift is the maximum, or 0 when that is negative infinity. */
    private record Normalizer(float shift, double sum) {
        double logProbability(Logits logits, long row, long target) {
            return (Lanes.get(logits.segment(), logits.type(), start(logits, row) + target) - shift) - Math.log(sum);
        }
    }

    /** Apart from the outer class, which must load where the Vector API is missing. */
    private static final class Loops {
        static Normalizer normalizer(Logits logits, long row) {
            MemorySegment segment = logits.segment();
            ElementType type = logits.type();
            float[] scratch = new float[Lanes.COUNT];
            float max = Float.NEGATIVE_INFINITY;
            double sum = 0;
            long rowEnd = start(logits, row) + logits.columns();
            for (long begin = start(logits, row); begin < rowEnd; begin += CHUNK) {
                long end = Math.min(rowEnd, begin + CHUNK);
                long vectorEnd = begin + (end - begin) / Lanes.COUNT * Lanes.COUNT;
                float chunkMax = type == ElementType.BF16
                        ? maxBf16(segment, begin, vectorEnd, scratch)
                        : maxFloats(segment, begin, vectorEnd, scratch);
                for (long i = vectorEnd; i < end; i++) {
                    float value = Lanes.get(segment, type, i);
                    chunkMax = value > chunkMax ? value : chunkMax;
                }
                if (chunkMax > max) {
                    sum *= Math.exp((double) max - chunkMax);
                    max = chunkMax;
                }
                float shift = finiteShift(max);
                sum += type == ElementType.BF16
                        ? sumBf16(segment, begin, vectorEnd, shift, scratch)
                        : sumFloats(segment, begin, vectorEnd, shift, scratch);
                for (long i = vectorEnd; i < end; i++) {
                    sum += Math.exp(Lanes.get(segment, type, i) - shift);
                }
            }
            return new Normalizer(finiteShift(max), sum);
        }

        /** Subtracting negative infinity from itself would make a NaN of a masked logit. */
        private static float finiteShift(float max) {
            return max == Float.NEGATIVE_INFINITY ? 0 : max;
        }

        /** The sum of a row's logits. */
        static double total(Logits logits, long row) {
            double total = 0;
            long rowEnd = start(logits, row) + logits.columns();
            for (long begin = start(logits, row); begin < rowEnd; begin += CHUNK) {
                long end = Math.min(rowEnd, begin + CHUNK);
                long vectorEnd = begin + (end - begin) / Lanes.COUNT * Lanes.COUNT;
                FloatVector sum = FloatVector.zero(Lanes.FLOATS);
                for (long i = begin; i < vectorEnd; i += Lanes.COUNT) {
                    sum = sum.add(
                            logits.type() == ElementType.BF16
                                    ? Lanes.loadBf16(logits.segment(), i * 2)
                                    : Lanes.loadFloats(logits.segment(), i * 4));
                }
                total += Lanes.sum(sum, new float[Lanes.COUNT]);
                for (long i = vectorEnd; i < end; i++) {
                    total += Lanes.get(logits.segment(), logits.type(), i);
                }
            }
            return total;
        }

        /** {@code weight · softmax - floor} over the logits. */
        static void gradient(Logits logits, long row, Normalizer normalizer, double weight, float floor) {
            MemorySegment segment = logits.segment();
            float factor = (float) (weight / normalizer.sum());
            long begin = start(logits, row);
            long end = begin + logits.columns();
            long vectorEnd = begin + logits.columns() / Lanes.COUNT * Lanes.COUNT;
            if (logits.type() == ElementType.BF16) {
                for (long i = begin; i < vectorEnd; i += Lanes.COUNT) {
                    FloatVector p = Lanes.exp(Lanes.loadBf16(segment, i * 2).sub(normalizer.shift));
                    Lanes.storeBf16(floor == 0 ? p.mul(factor) : p.mul(factor).sub(floor), segment, i * 2);
                }
            } else {
                for (long i = begin; i < vectorEnd; i += Lanes.COUNT) {
                    FloatVector p = Lanes.exp(Lanes.loadFloats(segment, i * 4).sub(normalizer.shift));
                    FloatVector g = floor == 0 ? p.mul(factor) : p.mul(factor).sub(floor);
                    g.intoMemorySegment(segment, i * 4, Lanes.ORDER);
                }
            }
            for (long i = vectorEnd; i < end; i++) {
                float p = (float) Math.exp(Lanes.get(segment, logits.type(), i) - normalizer.shift);
                Lanes.set(segment, logits.type(), i, p * factor - floor);
            }
        }

        private static float maxBf16(MemorySegment segment, long begin, long end, float[] scratch) {
            FloatVector max = FloatVector.broadcast(Lanes.FLOATS, Float.NEGATIVE_INFINITY);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                max = greater(Lanes.loadBf16(segment, i * 2), max);
            }
            return maxLane(max, scratch);
        }

        private static float maxFloats(MemorySegment segment, long begin, long end, float[] scratch) {
            FloatVector max = FloatVector.broadcast(Lanes.FLOATS, Float.NEGATIVE_INFINITY);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                max = greater(Lanes.loadFloats(segment, i * 4), max);
            }
            return maxLane(max, scratch);
        }

        /** Lane by lane the greater; a NaN is passed over here and shows in the sum. */
        private static FloatVector greater(FloatVector value, FloatVector max) {
            return max.blend(value, value.compare(VectorOperators.GT, max));
        }

        private static float maxLane(FloatVector max, float[] scratch) {
            max.intoArray(scratch, 0);
            float result = Float.NEGATIVE_INFINITY;
            for (float lane : scratch) {
                result = lane > result ? lane : result;
            }
            return result;
        }

        private static double sumBf16(MemorySegment segment, long begin, long end, float shift, float[] scratch) {
            FloatVector sum = FloatVector.zero(Lanes.FLOATS);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                sum = sum.add(Lanes.exp(Lanes.loadBf16(segment, i * 2).sub(shift)));
            }
            return Lanes.sum(sum, scratch);
        }

        private static double sumFloats(MemorySegment segment, long begin, long end, float shift, float[] scratch) {
            FloatVector sum = FloatVector.zero(Lanes.FLOATS);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                sum = sum.add(Lanes.exp(Lanes.loadFloats(segment, i * 4).sub(shift)));
            }
            return Lanes.sum(sum, scratch);
        }
    }
}
