package quern.tensor;

/**
 * Log-probabilities of targets from rows of logits, and the gradient of {@code -Σ weight · logprob} written over the
 * logits. N rows, V classes.
 */
public final class CrossEntropy {
    private CrossEntropy() {}

    /**
     * Fills {@code logprobs_N} (fp32) with ln softmax(logits)[target].
     *
     * @param logits_NV fp32 or bf16, contiguous
     * @param targets_N int64, each in [0, V)
     * @param weights_N fp32; when given, logits become {@code weight · (softmax - onehot)}; {@code null} leaves them
     */
    public static void rows(Tensor logits_NV, Tensor targets_N, Tensor weights_N, Tensor logprobs_N) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            torch(logits_NV, targets_N, weights_N, logprobs_N);
        }
    }

    private static void torch(Tensor logits_NV, Tensor targets_N, Tensor weights_N, Tensor logprobs_N) {
        Tensor target_N1 = targets_N.unsqueeze(-1);
        Tensor logSoftmax = Functional.logSoftmax(logits_NV.to(DType.FP32), -1);
        logprobs_N.copy_(logSoftmax.gather(-1, target_N1).squeeze(-1));
        if (weights_N != null) {
            Tensor gradient = logSoftmax.exp();
            gradient.scatterAdd_(-1, target_N1, Tensor.full(-1, DType.FP32, logits_NV.device(), targets_N.size(0), 1));
            logits_NV.copy_(gradient.mul_(weights_N.unsqueeze(-1)));
        }
    }
}
