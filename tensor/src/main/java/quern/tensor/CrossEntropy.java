package quern.tensor;

import quern.tensor.kernel.CrossEntropyKernel;
import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.Kernels;
import quern.tensor.kernel.PartClock;

/**
 * Log-probabilities of targets from rows of logits, and the gradient of {@code -Σ weight · logprob} written over the
 * logits. N rows, V classes. On the CPU a fused kernel does both in two passes over each row; {@link #plain} says the
 * same in libtorch's operators, for other devices and dtypes and as the kernel's oracle.
 */
public final class CrossEntropy {
    private CrossEntropy() {}

    /**
     * Fills {@code logprobs_N} (fp32) with ln softmax(logits)[target].
     *
     * @param logits_NV contiguous
     * @param targets_N int64, each in [0, V)
     * @param weights_N fp32; when given, logits become {@code weight · (softmax - onehot)}; {@code null} leaves them
     */
    public static void rows(Tensor logits_NV, Tensor targets_N, Tensor weights_N, Tensor logprobs_N) {
        PartClock.Part before = PartClock.enter(PartClock.Part.LOSS);
        timedRows(logits_NV, targets_N, weights_N, logprobs_N);
        PartClock.leave(before);
    }

    private static void timedRows(Tensor logits_NV, Tensor targets_N, Tensor weights_N, Tensor logprobs_N) {
        if (!fits(logits_NV)) {
            plain(logits_NV, targets_N, weights_N, logprobs_N);
            return;
        }
        CrossEntropyKernel.Logits logits = kernelLogits(logits_NV);
        CrossEntropyKernel.Targets targets = kernelTargets(targets_N);
        if (weights_N == null) {
            CrossEntropyKernel.logProbabilities(logits, targets, logprobs_N.memory());
        } else {
            CrossEntropyKernel.logProbabilitiesAndGradient(logits, targets, weights_N.memory(), logprobs_N.memory());
        }
    }

    private static boolean fits(Tensor logits_NV) {
        DType dtype = logits_NV.dtype();
        return logits_NV.numel() > 0
                && !logits_NV.device().isCuda()
                && (dtype == DType.FP32 || dtype == DType.BF16)
                && Kernels.available();
    }

    private static CrossEntropyKernel.Logits kernelLogits(Tensor logits_NV) {
        return new CrossEntropyKernel.Logits(
                logits_NV.memory(),
                logits_NV.dtype() == DType.FP32 ? ElementType.FP32 : ElementType.BF16,
                logits_NV.size(0),
                logits_NV.size(1),
                logits_NV.size(1));
    }

    private static CrossEntropyKernel.Targets kernelTargets(Tensor targets_N) {
        return new CrossEntropyKernel.Targets(targets_N.memory(), CrossEntropyKernel.IndexType.INT64);
    }

    /**
     * The rows of a loss that has label smoothing ε and a z-loss ζ beside the negative log-probability, as {@link
     * CrossEntropyKernel} has it; all fp32 [N].
     *
     * @param weights each row's share of the loss
     * @param plainWeights each row's share of {@code -Σ weight · logprob} beside it; {@code null} for none
     * @param logprobs is filled with the log-probabilities
     * @param losses is filled with the losses, not weighted
     */
    public record Penalized(
            double labelSmoothing, double zLoss, Tensor weights, Tensor plainWeights, Tensor logprobs, Tensor losses) {}

    /** Fills the rows' results and turns {@code logits_NV} (contiguous) into the gradient; targets as for {@link #rows}. */
    public static void penalizedRows(Tensor logits_NV, Tensor targets_N, Penalized rows) {
        if (!fits(logits_NV)) {
            penalizedPlain(logits_NV, targets_N, rows);
            return;
        }
        CrossEntropyKernel.penalizedLossAndGradient(
                kernelLogits(logits_NV),
                kernelTargets(targets_N),
                new CrossEntropyKernel.Penalty(rows.labelSmoothing, rows.zLoss),
                new CrossEntropyKernel.Rows(
                        rows.weights.memory(),
                        rows.plainWeights == null ? null : rows.plainWeights.memory(),
                        rows.logprobs.memory(),
                        rows.losses.memory()));
    }

    /** As {@link #penalizedRows}, by libtorch's operators. */
    public static void penalizedPlain(Tensor logits_NV, Tensor targets_N, Penalized rows) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            double epsilon = rows.labelSmoothing;
            Tensor target_N1 = targets_N.unsqueeze(-1);
            Tensor wide = logits_NV.to(DType.FP32);
            Tensor logZ_N1 = wide.logSumExp(true, -1);
            Tensor logSoftmax = Functional.logSoftmax(wide, -1);
            rows.logprobs.copy_(logSoftmax.gather(-1, target_N1).squeeze(-1));
            Tensor losses = rows.logprobs.mul(epsilon - 1);
            losses.add_(logZ_N1.squeeze(-1).square(), rows.zLoss);
            if (epsilon > 0) {
                losses.sub_(logSoftmax.mean(false, -1).mul(epsilon));
            }
            rows.losses.copy_(losses);
            Tensor weight_N1 = rows.weights.unsqueeze(-1);
            Tensor factor_N1 = weight_N1.mul(logZ_N1.mul(2 * rows.zLoss).add(1));
            Tensor atTarget_N1 = weight_N1.mul(epsilon - 1);
            if (rows.plainWeights != null) {
                factor_N1.add_(rows.plainWeights.unsqueeze(-1));
                atTarget_N1.sub_(rows.plainWeights.unsqueeze(-1));
            }
            Tensor gradient = logSoftmax.exp().mul_(factor_N1).sub_(weight_N1.mul(epsilon / logits_NV.size(1)));
            logits_NV.copy_(gradient.scatterAdd_(-1, target_N1, atTarget_N1));
        }
    }

    /** As {@link #rows}, by libtorch's operators. */
    public static void plain(Tensor logits_NV, Tensor targets_N, Tensor weights_N, Tensor logprobs_N) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            Tensor target_N1 = targets_N.unsqueeze(-1);
            Tensor logSoftmax = Functional.logSoftmax(logits_NV.to(DType.FP32), -1);
            logprobs_N.copy_(logSoftmax.gather(-1, target_N1).squeeze(-1));
            if (weights_N != null) {
                Tensor gradient = logSoftmax.exp();
                gradient.scatterAdd_(
                        -1, target_N1, Tensor.full(-1, DType.FP32, logits_NV.device(), targets_N.size(0), 1));
                logits_NV.copy_(gradient.mul_(weights_N.unsqueeze(-1)));
            }
        }
    }
}
