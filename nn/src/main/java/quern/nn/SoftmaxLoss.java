package quern.nn;

import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.Tensor;

/** The loss of a softmax over classes, with the label smoothing and z-loss of {@link Regularization}, in operators. */
final class SoftmaxLoss {
    /** {@code logprobs} and {@code losses}, one a row in fp32, 0 where the row does not count. */
    record Rows(Tensor logprobs, Tensor losses) {}

    private SoftmaxLoss() {}

    /** logits [..., C] and labels int64 [...], negative where not counted; {@code r} says what is added to the loss. */
    static Rows rows(Tensor logits, Tensor labels, Regularization r) {
        Tensor counted = labels.ge(0).to(DType.FP32);
        Tensor wide = logits.to(DType.FP32);
        Tensor all = Functional.logSoftmax(wide, -1);
        Tensor logprobs =
                all.gather(-1, labels.clampMin(0).unsqueeze(-1)).squeeze(-1).mul(counted);
        if (r.labelSmoothing() == 0 && r.zLoss() == 0) {
            return new Rows(logprobs, logprobs.neg());
        }
        Tensor losses = logprobs.mul(r.labelSmoothing() - 1);
        if (r.labelSmoothing() > 0) {
            losses = losses.sub(all.mean(false, -1).mul(counted).mul(r.labelSmoothing()));
        }
        if (r.zLoss() > 0) {
            losses = losses.add(wide.logSumExp(false, -1).square().mul(counted).mul(r.zLoss()));
        }
        return new Rows(logprobs, losses);
    }

    /** logits [N, C] and labels int64 [N], negative where not counted, to the mean over counted rows; 0 for none. */
    static Tensor mean(Tensor logits_NC, Tensor labels_N, Regularization r) {
        Tensor count = labels_N.ge(0).to(DType.FP32).sum().clampMin(1);
        return rows(logits_NC, labels_N, r).losses().sum().div(count);
    }
}
