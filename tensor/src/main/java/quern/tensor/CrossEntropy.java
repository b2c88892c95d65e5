package quern.tensor;

import quern.tensor.kernel.CrossEntropyKernel;
import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.Kernels;

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
        DType dtype = logits_NV.dtype();
        if (logits_NV.numel() == 0
                || logits_NV.device().isCuda()
                || !(dtype == DType.FP32 || dtype == DType.BF16)
                || !Kernels.available()) {
            plain(logits_NV, targets_N, weights_N, logprobs_N);
            return;
        }
        CrossEntropyKernel.Logits logits = new CrossEntropyKernel.Logits(
                logits_NV.memory(),
                dtype == DType.FP32 ? ElementType.FP32 : ElementType.BF16,
                logits_NV.size(0),
                logits_NV.size(1),
                logits_NV.size(1));
        CrossEntropyKernel.Targets targets =
                new CrossEntropyKernel.Targets(targets_N.memory(), CrossEntropyKernel.IndexType.INT64);
        if (weights_N == null) {
            CrossEntropyKernel.logProbabilities(logits, targets, logprobs_N.memory());
        } else {
            CrossEntropyKernel.logProbabilitiesAndGradient(logits, targets, weights_N.memory(), logprobs_N.memory());
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
