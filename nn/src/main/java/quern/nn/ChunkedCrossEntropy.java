package quern.nn;

import quern.tensor.Accumulate;
import quern.tensor.Autograd;
import quern.tensor.CrossEntropy;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Products;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.Kernels;
import quern.tensor.kernel.LinearCrossEntropyKernel;
import quern.tensor.kernel.SmallProducts;

/**
 * A language-model head and its loss in chunks of rows, so that logits never exist for more than a chunk; rows whose
 * target is not counted are never computed. N counted rows, D width, V vocabulary.
 *
 * <p>With {@code weights} known beforehand forward makes the gradient in the same pass over the logits, for the cotangent
 * that {@link Pass#lossScale} announces, and backward only hands it on. Without them forward gives {@code logprobs}, and
 * backward computes the chunks again under the cotangents it is given: what losses over whole sequences need. Weight
 * gradients are summed over chunks in fp32.
 */
final class ChunkedCrossEntropy implements HandWritten {
    /** Rows a chunk at most: the products of fewer are slower, more bring nothing. */
    private static final int ROWS = 512;

    /** Rows a chunk at least, however large the vocabulary. */
    private static final int FEWEST_ROWS = 64;

    /** Weights up to this many elements are multiplied in arrays: a library's calls cost more than the products. */
    private static final long SMALL = 1 << 16;

    /** With fewer rows the loops of such products stay cold. */
    private static final long SMALL_ROWS = 256;

    /** What the logits of a chunk may take. */
    private static final long CHUNK_BYTES = 64 << 20;

    /** The share of the Java heap that the kernel's arrays may take. */
    private static final double HEAP_SHARE = 0.25;

    private final DenseLinear output;
    private final LogitTransform transform;
    private final Regularization regularization;

    /** {@code regularization} says what the loss has beside the log-probabilities. */
    ChunkedCrossEntropy(DenseLinear output, LogitTransform transform, Regularization regularization) {
        this.output = output;
        this.transform = transform;
        this.regularization = regularization;
    }

    /** Rows of a chunk at most, with logits in the dtype of the products. */
    static int rows(long vocabulary, DType dtype, Device device) {
        return device.isCuda() ? ROWS : Math.clamp(CHUNK_BYTES / (vocabulary * dtype.bytes()), FEWEST_ROWS, ROWS);
    }

    @Override
    public Backward forward(Flow flow, Pass pass) {
        Tensor x_BTD = flow.get("hidden_states");
        Tensor targets_BT = flow.get("targets");
        Tensor weights_BT = flow.find("weights");
        long b = targets_BT.size(0);
        long t = targets_BT.size(1);
        long width = x_BTD.size(-1);
        Tensor x_ND = x_BTD.reshape(b * t, width);
        Tensor targets = targets_BT.reshape(b * t);
        Tensor index = counted(targets);
        Tensor weights = null;
        if (weights_BT != null) {
            weights = weights_BT.reshape(b * t);
        }
        if (index != null) {
            x_ND = x_ND.indexSelect(0, index);
            targets = targets.indexSelect(0, index);
            weights = weights == null ? null : weights.indexSelect(0, index);
        }
        Tensor logprobs_N = Tensor.empty(DType.FP32, x_ND.device(), x_ND.size(0));
        boolean penalized = weights != null && (regularization.labelSmoothing() > 0 || regularization.zLoss() > 0);
        Tensor losses_N = penalized ? Tensor.empty(DType.FP32, x_ND.device(), x_ND.size(0)) : null;
        Gradient gradient =
                new Gradient(output, transform, penalized ? regularization : null, x_ND, targets, index, b, t);
        boolean now = weights != null && pass.isTraining();
        boolean done = false;
        try {
            if (now) {
                gradient.allocate();
            }
            gradient.make(now ? scaled(weights, pass.lossScale()) : null, null, logprobs_N, losses_N);
            done = true;
        } finally {
            if (!done) {
                gradient.close();
            }
        }
        Tensor logprobs = logprobs_N;
        if (index != null) {
            logprobs = Tensor.zeros(DType.FP32, x_ND.device(), b * t).indexAdd_(0, index, logprobs_N);
        }
        flow.put("logprobs", logprobs.view(b, t));
        if (weights != null) {
            Tensor loss = penalized
                    ? losses_N.mul(weights).sum()
                    : logprobs_N.mul(weights).sum().neg();
            flow.put("loss", loss.view(1));
            gradient.remember(now, weights, pass.lossScale());
        }
        return gradient;
    }

    private static Tensor scaled(Tensor weights, double factor) {
        return factor == 1 ? weights : weights.mul(factor);
    }

    /** The int64 row numbers whose target counts, or {@code null} when all do. */
    private static Tensor counted(Tensor targets_N) {
        long[] all = targets_N.toLongs();
        int n = 0;
        for (long target : all) {
            n += target >= 0 ? 1 : 0;
        }
        if (n == all.length) {
            return null;
        }
        long[] rows = new long[n];
        int k = 0;
        for (int i = 0; i < all.length; i++) {
            if (all[i] >= 0) {
                rows[k++] = i;
            }
        }
        return Tensor.of(rows, n).to(targets_N.device());
    }

    /** The backward of one visit; holds the counted rows, and their gradient once it is made. */
    private static final class Gradient implements Backward {
        private final DenseLinear output;
        private final LogitTransform transform;
        /** What the loss has beside the log-probabilities; {@code null} for nothing. */
        private final Regularization penalty;

        private final long batch;
        private final long length;
        private final Tensor x_ND;
        private final Tensor targets_N;
        private final Tensor index;
        private Tensor weights_N;
        private boolean made;
        /** The cotangent of the loss that the gradient was made for. */
        private double madeFor;

        private Tensor dx_ND;
        private Tensor dWeight_VD;
        private Tensor dBias_V;

        Gradient(
                DenseLinear output,
                LogitTransform transform,
                Regularization penalty,
                Tensor x_ND,
                Tensor targets_N,
                Tensor index,
                long batch,
                long length) {
            this.output = output;
            this.transform = transform;
            this.penalty = penalty;
            this.batch = batch;
            this.length = length;
            this.x_ND = x_ND.keep();
            this.targets_N = targets_N.keep();
            this.index = index == null ? null : index.keep();
        }

        void remember(boolean made, Tensor weights_N, double madeFor) {
            this.made = made;
            this.madeFor = madeFor;
            this.weights_N = weights_N.keep();
        }

        void allocate() {
            Parameter weight = output.weight();
            dx_ND = Tensor.empty(x_ND.dtype(), x_ND.device(), x_ND.shape()).keep();
            if (weight.isTrainable()) {
                dWeight_VD = weight.gradBuffer();
            }
            if (output.bias() != null && output.bias().isTrainable()) {
                dBias_V = Tensor.zeros(
                                DType.FP32, x_ND.device(), output.bias().value().shape())
                        .keep();
            }
        }

        /**
         * Log-probabilities of every row, and with {@code weights} the gradients too, and under a penalty the losses.
         *
         * @param plain under a penalty, weights of log-probabilities that are without it; {@code null} for none
         */
        void make(Tensor weights, Tensor plain, Tensor logprobs_N, Tensor losses_N) {
            if (fitsKernel(weights != null && penalty != null)) {
                byKernel(weights, logprobs_N);
            } else {
                chunks(weights, plain, logprobs_N, losses_N);
            }
        }

        /** Whether one kernel can make the logits, the loss and the gradients, and does it faster than libtorch's products. */
        private boolean fitsKernel(boolean penalized) {
            Tensor w_VD = output.weight().value();
            long rows = Math.min(x_ND.size(0), rows(w_VD.size(0), DType.FP32, x_ND.device()));
            return rows > 0
                    && !penalized
                    && (output.bias() == null || output.bias().value().dtype() == w_VD.dtype())
                    && transform.equals(LogitTransform.NONE)
                    && !x_ND.device().isCuda()
                    && Products.dtype(x_ND.dtype(), x_ND.device()) == DType.FP32
                    && isStored(x_ND)
                    && isStored(w_VD)
                    && w_VD.numel() > SMALL
                    && Kernels.available()
                    && LinearCrossEntropyKernel.heapBytes((int) rows, (int) w_VD.size(0), (int) w_VD.size(1))
                            <= HEAP_SHARE * Runtime.getRuntime().maxMemory();
        }

        /** As many rows or a few less, so that none of those that are computed together is empty. */
        private static long wholePanels(long rows) {
            return rows / LinearCrossEntropyKernel.ROWS_TOGETHER * LinearCrossEntropyKernel.ROWS_TOGETHER;
        }

        private static boolean isStored(Tensor t) {
            return t.isContiguous() && (t.dtype() == DType.FP32 || t.dtype() == DType.BF16);
        }

        private static ElementType type(Tensor t) {
            return t.dtype() == DType.FP32 ? ElementType.FP32 : ElementType.BF16;
        }

        private void byKernel(Tensor weights, Tensor logprobs_N) {
            Tensor w_VD = output.weight().value();
            int vocabulary = (int) w_VD.size(0);
            LinearCrossEntropyKernel.Head head = new LinearCrossEntropyKernel.Head(
                    w_VD.memory(),
                    output.bias() == null ? null : output.bias().value().memory(),
                    type(w_VD),
                    vocabulary,
                    (int) w_VD.size(1));
            long rows = x_ND.size(0);
            long most = wholePanels(rows(vocabulary, DType.FP32, x_ND.device()));
            for (long from = 0; from < rows; from += most) {
                long n = Math.min(most, rows - from);
                try (Scope scope = Scope.open()) {
                    LinearCrossEntropyKernel.Rows chunk = new LinearCrossEntropyKernel.Rows(
                            x_ND.narrow(0, from, n).memory(),
                            type(x_ND),
                            targets_N.narrow(0, from, n).memory(),
                            (int) n,
                            logprobs_N.narrow(0, from, n).memory());
                    if (weights == null) {
                        LinearCrossEntropyKernel.logProbabilities(head, chunk);
                    } else {
                        LinearCrossEntropyKernel.logProbabilitiesAndGradients(
                                head,
                                chunk,
                                new LinearCrossEntropyKernel.Gradients(
                                        weights.narrow(0, from, n).memory(),
                                        dx_ND.narrow(0, from, n).memory(),
                                        dWeight_VD == null ? null : dWeight_VD.memory(),
                                        dBias_V == null ? null : dBias_V.memory(),
                                        from > 0));
                    }
                }
            }
        }

        /** As {@link #make}, by libtorch's products. */
        private void chunks(Tensor weights, Tensor plain, Tensor logprobs_N, Tensor losses_N) {
            Device device = x_ND.device();
            DType dtype = Products.dtype(x_ND.dtype(), device);
            long rows = x_ND.size(0);
            if (weights != null && dWeight_VD != null) {
                dWeight_VD.zero_();
            }
            try (Scope outer = Scope.open();
                    Autograd.Mode mode = Autograd.noGrad()) {
                Tensor w_VD = output.weight().value().to(dtype);
                long vocabulary = w_VD.size(0);
                long most = rows(vocabulary, dtype, device);
                Tensor buffer = Tensor.empty(dtype, device, Math.min(most, rows), vocabulary);
                Tensor product = weights != null && dWeight_VD != null && dtype != DType.FP32
                        ? Tensor.empty(dtype, device, w_VD.shape())
                        : null;
                for (long from = 0; from < rows; from += most) {
                    long n = Math.min(most, rows - from);
                    try (Scope scope = Scope.open()) {
                        Tensor x = x_ND.narrow(0, from, n).to(dtype);
                        Tensor logits = buffer.narrow(0, 0, n);
                        multiply(logits, x, w_VD);
                        if (output.bias() != null) {
                            logits.add_(output.bias().value());
                        }
                        Tensor saved = transform.apply_(logits);
                        Tensor targets = targets_N.narrow(0, from, n);
                        Tensor logprobs = logprobs_N.narrow(0, from, n);
                        Tensor share = weights == null ? null : weights.narrow(0, from, n);
                        if (penalty == null || weights == null) {
                            CrossEntropy.rows(logits, targets, share, logprobs);
                        } else {
                            CrossEntropy.penalizedRows(
                                    logits,
                                    targets,
                                    new CrossEntropy.Penalized(
                                            penalty.labelSmoothing(),
                                            penalty.zLoss(),
                                            share,
                                            plain == null ? null : plain.narrow(0, from, n),
                                            logprobs,
                                            losses_N.narrow(0, from, n)));
                        }
                        if (weights == null) {
                            continue;
                        }
                        transform.backward_(logits, saved);
                        backward(logits, x, w_VD, dx_ND.narrow(0, from, n), product);
                        if (dBias_V != null) {
                            dBias_V.add_(logits.to(DType.FP32).sum(false, 0));
                        }
                    }
                }
            }
        }

        private static boolean isSmall(Tensor x, Tensor w_VD) {
            return w_VD.numel() <= SMALL
                    && x.size(0) >= SMALL_ROWS
                    && x.dtype() == DType.FP32
                    && !x.device().isCuda()
                    && x.isContiguous()
                    && w_VD.isContiguous()
                    && Kernels.available();
        }

        private static void multiply(Tensor logits, Tensor x, Tensor w_VD) {
            if (isSmall(x, w_VD)) {
                SmallProducts.forward(
                        x.memory(), w_VD.memory(), logits.memory(), (int) x.size(0), (int) x.size(1), (int)
                                w_VD.size(0));
            } else {
                logits.mmOut_(x, w_VD.t());
            }
        }

        /** Fills dx and adds to the weight's gradient, if that is wanted; {@code product} is room for it where it isn't fp32. */
        private void backward(Tensor dLogits, Tensor x, Tensor w_VD, Tensor dx, Tensor product) {
            boolean same = dx.dtype() == x.dtype();
            if (isSmall(x, w_VD) && same) {
                SmallProducts.backward(
                        dLogits.memory(),
                        x.memory(),
                        w_VD.memory(),
                        dx.memory(),
                        dWeight_VD == null ? null : dWeight_VD.memory(),
                        (int) x.size(0),
                        (int) x.size(1),
                        (int) w_VD.size(0));
                return;
            }
            if (same) {
                dx.mmOut_(dLogits, w_VD);
            } else {
                dx.copy_(dLogits.matmul(w_VD));
            }
            if (dWeight_VD == null) {
                return;
            }
            if (product == null) {
                dWeight_VD.addmm_(dLogits.t(), x);
            } else {
                Accumulate.add(dWeight_VD, product.mmOut_(dLogits.t(), x));
            }
        }

        @Override
        public void input(Cotangents cotangents) {
            Tensor dLoss = cotangents.ofOutput("loss");
            Tensor dLogprobs = cotangents.ofOutput("logprobs");
            double factor = dLoss == null ? 0 : dLoss.item();
            if (dLogprobs != null || !made) {
                // d loss / d logprob = -weight, so the kernel's weight is factor·weight - dLogprobs; under a penalty
                // the two are kept apart, since only the loss has it.
                Tensor plain = Tensor.zeros(DType.FP32, x_ND.device(), x_ND.size(0));
                if (dLogprobs != null) {
                    Tensor g = dLogprobs.reshape(batch * length);
                    plain.sub_(index == null ? g : g.indexSelect(0, index));
                }
                Tensor weights = penalty == null ? plain : Tensor.zeros(DType.FP32, x_ND.device(), x_ND.size(0));
                if (dLoss != null) {
                    weights.add_(weights_N, factor);
                }
                close(dx_ND, dWeight_VD, dBias_V);
                dx_ND = null;
                dWeight_VD = null;
                dBias_V = null;
                allocate();
                Tensor logprobs_N = Tensor.empty(DType.FP32, x_ND.device(), x_ND.size(0));
                make(weights, penalty == null ? null : plain, logprobs_N, penalty == null ? null : logprobs_N.copy());
            } else if (factor != madeFor) {
                double ratio = factor / madeFor;
                dx_ND.mul_(ratio);
                if (dWeight_VD != null) {
                    dWeight_VD.mul_(ratio);
                }
                if (dBias_V != null) {
                    dBias_V.mul_(ratio);
                }
            }
            if (cotangents.wanted("hidden_states")) {
                Tensor dx = dx_ND;
                if (index != null) {
                    dx = Tensor.zeros(x_ND.dtype(), x_ND.device(), batch * length, x_ND.size(1))
                            .indexAdd_(0, index, dx_ND);
                }
                cotangents.addToInput("hidden_states", dx.view(batch, length, x_ND.size(1)));
            }
        }

        @Override
        public void weight() {
            boolean added = output.weight().grad().isDefined();
            give(output.weight(), dWeight_VD);
            if (added && dWeight_VD != null) {
                // The next micro-batch writes into the same memory.
                output.weight().returnGradBuffer(dWeight_VD);
                dWeight_VD = null;
            }
            if (output.bias() != null) {
                give(output.bias(), dBias_V);
            }
        }

        private static void give(Parameter p, Tensor gradient) {
            if (gradient == null) {
                return;
            }
            if (p.grad().isDefined()) {
                p.addGrad(gradient);
            } else {
                p.value().setGrad(gradient);
            }
        }

        private static void close(Tensor... tensors) {
            for (Tensor t : tensors) {
                if (t != null) {
                    t.close();
                }
            }
        }

        @Override
        public void close() {
            close(x_ND, targets_N, index, weights_N, dx_ND, dWeight_VD, dBias_V);
        }
    }
}
