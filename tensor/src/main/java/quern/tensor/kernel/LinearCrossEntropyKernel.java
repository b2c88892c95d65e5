package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import quern.recipe.QuernException;

/**
 * A language model's head together with its cross-entropy: logits {@code z = x·Wᵀ + b}, each row's {@code ln softmax(z)[target]},
 * and the gradients of {@code -Σ weight · logprob} with respect to x, W and b. N rows, D width, V vocabulary; arithmetic in fp32
 * whatever the storage. {@link CrossEntropyKernel} does the middle part alone, for logits that somebody else made.
 *
 * <p>The vocabulary is taken in blocks of rows of W, and logits stand transposed, a row for each word: so W is read as it is
 * stored, and the softmax goes along tokens side by side in a vector. While a block's logits z are in the cache they become
 * {@code exp(z - m)}, m the block's largest of that token, and the sums of these are kept beside the maxima (the online
 * normalizer of Milakov and Gimelshein, <a href="https://arxiv.org/abs/1805.02867">arXiv:1805.02867</a>, with blocks for
 * elements). The sums of all blocks, in order and in double, give a token's Z; a second pass turns a block into {@code weight ·
 * (softmax - onehot)} by one factor a token, and multiplies it at once with x and with W.
 *
 * <p>Log-probabilities are the same bits with any count of threads. The gradient of x is summed a thread at a time, each over a
 * fixed share of the vocabulary, and the threads' sums are added in order: the same count of threads gives the same bits.
 *
 * <p>A row with a NaN, a positive infinity or nothing but negative infinities gets NaN, as in libtorch.
 */
public final class LinearCrossEntropyKernel {
    /** Rows of a call are best a multiple of these. */
    public static final int ROWS_TOGETHER = 32;

    private LinearCrossEntropyKernel() {}

    /**
     * The head's parameters, of one type.
     *
     * @param weight [V, D]
     * @param bias [V], or null
     */
    public record Head(MemorySegment weight, MemorySegment bias, ElementType type, int vocabulary, int width) {
        /** Checks the sizes. */
        public Head {
            if (vocabulary < 1 || width < 1) {
                throw new IllegalArgumentException(
                        "a head of %d words and width %d: expected at least 1 and 1".formatted(vocabulary, width));
            }
            Kernels.checkHolds("the head's weight", weight, (long) vocabulary * width, type.bytes());
            if (bias != null) {
                Kernels.checkHolds("the head's bias", bias, vocabulary, type.bytes());
            }
        }
    }

    /**
     * The rows of a call. All of their logits are in memory together, so a caller with many rows comes several times.
     *
     * @param x [N, D]
     * @param targets [N] int64, each in [0, V)
     * @param logProbabilities [N] fp32, overwritten
     */
    public record Rows(
            MemorySegment x, ElementType type, MemorySegment targets, int count, MemorySegment logProbabilities) {}

    /**
     * Where the gradients go.
     *
     * @param weights [N] fp32, each row's share of the loss
     * @param dx [N, D] in the type of x, overwritten
     * @param dWeight [V, D] fp32; null when it is not wanted
     * @param dBias [V] fp32; null when it is not wanted
     * @param added whether {@code dWeight} and {@code dBias} are added to; otherwise they are overwritten
     */
    public record Gradients(
            MemorySegment weights, MemorySegment dx, MemorySegment dWeight, MemorySegment dBias, boolean added) {}

    /** The bytes of Java heap that a call takes, for rows with gradients. */
    public static long heapBytes(int rows, int vocabulary, int width) {
        return HeadWorkspace.floats(rows, vocabulary, width) * Float.BYTES;
    }

    /**
     * Writes each row's log-probability.
     *
     * @throws QuernException failed when a target is outside the vocabulary or the kernels are not available
     * @throws IllegalArgumentException when a segment is too short
     */
    public static void logProbabilities(Head head, Rows rows) {
        run(head, rows, null);
    }

    /** As {@link #logProbabilities}, and writes the gradients. */
    public static void logProbabilitiesAndGradients(Head head, Rows rows, Gradients gradients) {
        Kernels.checkHolds("weights", gradients.weights, rows.count, Float.BYTES);
        Kernels.checkWritable("dx", gradients.dx, (long) rows.count * head.width, rows.type.bytes());
        if (gradients.dWeight != null) {
            Kernels.checkWritable("dWeight", gradients.dWeight, (long) head.vocabulary * head.width, Float.BYTES);
        }
        if (gradients.dBias != null) {
            Kernels.checkWritable("dBias", gradients.dBias, head.vocabulary, Float.BYTES);
        }
        run(head, rows, gradients);
    }

    private static void run(Head head, Rows rows, Gradients gradients) {
        Kernels.require();
        Kernels.checkHolds("x", rows.x, (long) rows.count * head.width, rows.type.bytes());
        Kernels.checkHolds("targets", rows.targets, rows.count, Long.BYTES);
        Kernels.checkWritable("log-probabilities", rows.logProbabilities, rows.count, Float.BYTES);
        int[] targets = new int[rows.count];
        for (int row = 0; row < rows.count; row++) {
            long target = rows.targets.get(ValueLayout.JAVA_LONG_UNALIGNED, (long) row * Long.BYTES);
            if (target < 0 || target >= head.vocabulary) {
                throw QuernException.failed(
                        "row %d has the target %d, expected 0 to %d; check that the tokenizer's vocabulary fits the model",
                        row, target, head.vocabulary - 1);
            }
            targets[row] = (int) target;
        }
        if (rows.count == 0) {
            return;
        }
        HeadWorkspace w = HeadWorkspace.take(rows.count, head.vocabulary, head.width);
        new Pass(w, head, rows, targets, gradients).run();
        HeadWorkspace.give(w);
    }

    /** One call. Apart from the outer class, which must load where the Vector API is missing. */
    private static final class Pass {
        private final HeadWorkspace w;
        private final Head head;
        private final Rows rows;
        private final int[] targets;
        private final Gradients gradients;
        private final int width;
        /** Tokens in whole panels. */
        private final int tokens;
        /** Each row's logit of its target, and log-probability. */
        private final float[] atTarget;

        private final double[] logProbabilities;
        /** Each row's largest logit, and its share of the loss over the sum of exponentials. */
        private final float[] largest;

        private final float[] factors;

        Pass(HeadWorkspace w, Head head, Rows rows, int[] targets, Gradients gradients) {
            this.w = w;
            this.head = head;
            this.rows = rows;
            this.targets = targets;
            this.gradients = gradients;
            this.width = head.width;
            this.tokens = Math.ceilDiv(rows.count, Gemm.PANEL) * Gemm.PANEL;
            this.atTarget = new float[rows.count];
            this.logProbabilities = new double[rows.count];
            this.largest = new float[w.tokens];
            this.factors = new float[w.tokens];
        }

        void run() {
            layRows();
            AtomicInteger next = new AtomicInteger();
            KernelThreads.run(w.lanes.length, lane -> {
                int block;
                while ((block = next.getAndIncrement()) < w.blocks) {
                    exponentials(w.lanes[lane], block);
                }
            });
            KernelThreads.run(tokens / Lanes.COUNT, vector -> normalize(vector * Lanes.COUNT));
            if (gradients == null) {
                return;
            }
            KernelThreads.run(w.lanes.length, lane -> {
                int from = (int) ((long) w.blocks * lane / w.lanes.length);
                int to = (int) ((long) w.blocks * (lane + 1) / w.lanes.length);
                w.lanes[lane].used = from < to;
                for (int block = from; block < to; block++) {
                    gradients(w.lanes[lane], block, block == from);
                }
            });
            int parts = Math.ceilDiv(rows.count, ROWS_TOGETHER);
            KernelThreads.run(parts, part -> storeDx(part * ROWS_TOGETHER));
        }

        private void layRows() {
            HeapRows.load(rows.x, rows.type, 0, w.x, rows.count, width, w.stride);
            Gemm.Rows x = new Gemm.Rows(w.x, 0, w.stride);
            int panels = tokens / Gemm.PANEL;
            KernelThreads.run(w.lanes.length, lane -> {
                int parts = w.lanes.length;
                Gemm.panelsTransposed(
                        x, rows.count, width, panels * lane / parts, panels * (lane + 1) / parts, w.xTransposedPanels);
            });
            if (gradients != null && gradients.dWeight != null) {
                Gemm.panels(x, rows.count, width, w.xPanels);
            }
        }

        private int wordsOf(int block) {
            return Math.min(HeadWorkspace.BLOCK, head.vocabulary - block * HeadWorkspace.BLOCK);
        }

        private void loadWords(HeadWorkspace.Lane lane, int block) {
            int first = block * HeadWorkspace.BLOCK;
            HeapRows.load(head.weight, head.type, first, lane.words, wordsOf(block), width, w.stride);
        }

        /** Adds the bias to a block's logits of a panel of tokens, from element {@code at} on. */
        private void addBias(HeadWorkspace.Lane lane, int at, int words) {
            for (int word = 0, i = at; word < words; word++, i += w.tokenStride) {
                FloatVector b = Lanes.all(lane.biases[word]);
                Lanes.load(w.logits, i).add(b).intoArray(w.logits, i);
                Lanes.load(w.logits, i + Lanes.COUNT).add(b).intoArray(w.logits, i + Lanes.COUNT);
            }
        }

        /** A block's logits, and what becomes of them. */
        private void exponentials(HeadWorkspace.Lane lane, int block) {
            loadWords(lane, block);
            int words = wordsOf(block);
            if (head.bias != null) {
                HeapRows.load(head.bias, head.type, (long) block * HeadWorkspace.BLOCK, lane.biases, 0, words);
            }
            Gemm.Rows a = new Gemm.Rows(lane.words, 0, w.stride);
            int at = w.logitsAt(block);
            for (int token = 0; token < tokens; token += Gemm.PANEL) {
                Gemm.Rows z = new Gemm.Rows(w.logits, at + token, w.tokenStride);
                int panel = Gemm.START + token * width;
                Gemm.multiplyPanel(a, w.xTransposedPanels, panel, z, Gemm.padRows(words), width, false);
                if (head.bias != null) {
                    addBias(lane, at + token, words);
                }
                keepTargets(block, words, token, Math.min(rows.count, token + Gemm.PANEL));
                PartClock.Part before = PartClock.enter(PartClock.Part.LOSS);
                exponentials(at + token, words, block * w.tokens + token);
                exponentials(at + token + Lanes.COUNT, words, block * w.tokens + token + Lanes.COUNT);
                PartClock.leave(before);
            }
        }

        private void keepTargets(int block, int words, int from, int to) {
            for (int token = from; token < to; token++) {
                int word = targets[token] - block * HeadWorkspace.BLOCK;
                if (word >= 0 && word < words) {
                    atTarget[token] = w.logits[w.logitsAt(block) + word * w.tokenStride + token];
                }
            }
        }

        /** The logits of a vector of tokens and a block of words, from element {@code at} on. */
        private void exponentials(int at, int words, int result) {
            float[] z = w.logits;
            int stride = w.tokenStride;
            FloatVector max = Lanes.load(z, at);
            for (int word = 1, i = at + stride; word < words; word++, i += stride) {
                FloatVector value = Lanes.load(z, i);
                // A NaN is passed over here and shows in the sum.
                max = max.blend(value, value.compare(VectorOperators.GT, max));
            }
            // Subtracting negative infinity from itself would make a NaN of a masked logit.
            FloatVector shift = max.blend(0f, max.compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY));
            FloatVector sum = FloatVector.zero(Lanes.FLOATS);
            for (int word = 0, i = at; word < words; word++, i += stride) {
                FloatVector e = Lanes.exp(Lanes.load(z, i).sub(shift));
                e.intoArray(z, i);
                sum = sum.add(e);
            }
            max.intoArray(w.maxima, result);
            sum.intoArray(w.sums, result);
        }

        /** Log-probabilities of a vector of tokens, and what their gradients need. */
        private void normalize(int from) {
            int n = Lanes.COUNT;
            float[] max = new float[n];
            double[] sum = new double[n];
            Arrays.fill(max, Float.NEGATIVE_INFINITY);
            for (int block = 0, at = from; block < w.blocks; block++, at += w.tokens) {
                for (int i = 0; i < n; i++) {
                    float m = w.maxima[at + i];
                    max[i] = m > max[i] ? m : max[i];
                }
            }
            for (int block = 0, at = from; block < w.blocks; block++, at += w.tokens) {
                for (int i = 0; i < n; i++) {
                    sum[i] += w.sums[at + i] * Math.exp((double) w.maxima[at + i] - max[i]);
                }
            }
            for (int i = 0; i < n; i++) {
                int token = from + i;
                largest[token] = max[i];
                if (token >= rows.count) {
                    factors[token] = 0;
                    continue;
                }
                double logProbability = ((double) atTarget[token] - max[i]) - Math.log(sum[i]);
                logProbabilities[token] = logProbability;
                rows.logProbabilities.set(
                        ValueLayout.JAVA_FLOAT_UNALIGNED, (long) token * Float.BYTES, (float) logProbability);
                factors[token] = gradients == null ? 0 : (float) (weight(token) / sum[i]);
            }
        }

        private float weight(int token) {
            return gradients.weights.get(ValueLayout.JAVA_FLOAT_UNALIGNED, (long) token * Float.BYTES);
        }

        /** A block's share of the gradients; {@code first} of its lane. */
        private void gradients(HeadWorkspace.Lane lane, int block, boolean first) {
            int words = wordsOf(block);
            int at = w.logitsAt(block);
            PartClock.Part before = PartClock.enter(PartClock.Part.LOSS);
            dLogits(lane, block, words);
            if (gradients.dBias != null) {
                addDBias(lane, block, words);
            }
            PartClock.leave(before);
            Gemm.Rows dz = new Gemm.Rows(w.logits, at, w.tokenStride);
            if (gradients.dWeight != null) {
                Gemm.Rows dw = new Gemm.Rows(lane.dWords[0], Gemm.START, w.stride);
                Gemm.multiply(dz, w.xPanels, dw, Gemm.padRows(words), width, rows.count, false);
                long target = (long) block * HeadWorkspace.BLOCK * width;
                for (int word = 0; word < words; word++) {
                    int row = Gemm.START + word * w.stride;
                    HeapRows.storeSums(
                            lane.dWords, row, gradients.dWeight, target + (long) word * width, width, gradients.added);
                }
            }
            loadWords(lane, block);
            Gemm.panels(new Gemm.Rows(lane.words, 0, w.stride), words, width, lane.wordPanels);
            Gemm.eights(dz, words, rows.count, lane.dzEights);
            Gemm.Rows dx = new Gemm.Rows(lane.dx, Gemm.START, w.stride);
            Gemm.multiplyTransposed(lane.dzEights, lane.wordPanels, dx, rows.count, width, words, !first);
        }

        /** {@code weight · (softmax - onehot)} over a block's exponentials. */
        private void dLogits(HeadWorkspace.Lane lane, int block, int words) {
            float[] z = w.logits;
            for (int token = 0; token < tokens; token += Lanes.COUNT) {
                FloatVector scale = Lanes.exp(
                                Lanes.load(w.maxima, block * w.tokens + token).sub(Lanes.load(largest, token)))
                        .mul(Lanes.load(factors, token));
                scale.intoArray(lane.scales, token);
            }
            for (int word = 0, row = w.logitsAt(block); word < words; word++, row += w.tokenStride) {
                for (int token = 0; token < tokens; token += Lanes.COUNT) {
                    Lanes.load(z, row + token)
                            .mul(Lanes.load(lane.scales, token))
                            .intoArray(z, row + token);
                }
            }
            for (int token = 0; token < rows.count; token++) {
                int word = targets[token] - block * HeadWorkspace.BLOCK;
                if (word >= 0 && word < words) {
                    // p - 1 by expm1: no digits are lost when p is near 1.
                    z[w.logitsAt(block) + word * w.tokenStride + token] =
                            (float) (weight(token) * Math.expm1(logProbabilities[token]));
                }
            }
        }

        private void addDBias(HeadWorkspace.Lane lane, int block, int words) {
            for (int word = 0, row = w.logitsAt(block); word < words; word++, row += w.tokenStride) {
                FloatVector sum = FloatVector.zero(Lanes.FLOATS);
                for (int token = 0; token < tokens; token += Lanes.COUNT) {
                    sum = sum.add(Lanes.load(w.logits, row + token));
                }
                lane.biases[word] = Lanes.sum(sum, lane.scratch);
            }
            long target = (long) block * HeadWorkspace.BLOCK;
            HeapRows.storeSums(new float[][] {lane.biases}, 0, gradients.dBias, target, words, gradients.added);
        }

        /** Adds up what the lanes have of some rows of dx, and writes it. */
        private void storeDx(int from) {
            int count = Math.min(ROWS_TOGETHER, rows.count - from);
            int begin = Gemm.START + from * w.stride;
            int end = begin + count * w.stride;
            float[] sum = null;
            for (HeadWorkspace.Lane lane : w.lanes) {
                if (sum != null && lane.used) {
                    for (int i = begin; i < end; i += Lanes.COUNT) {
                        Lanes.load(sum, i).add(Lanes.load(lane.dx, i)).intoArray(sum, i);
                    }
                } else if (lane.used) {
                    sum = lane.dx;
                }
            }
            for (int row = 0; row < count; row++) {
                HeapRows.store(
                        sum, begin + row * w.stride, gradients.dx, rows.type, (long) (from + row) * width, width);
            }
        }
    }
}
