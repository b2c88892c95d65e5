package quern.nn;

import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.Tensor;

/** Cross-entropy of a few classes: the mean over the rows that count. */
final class ClassLoss {
    private ClassLoss() {}

    /** logits [N, C] in fp32 and labels int64 [N], negative where not counted, to a scalar; 0 when none counts. */
    static Tensor mean(Tensor logits_NC, Tensor labels_N) {
        Tensor counted_N = labels_N.ge(0).to(DType.FP32);
        Tensor logprobs_N = Functional.logSoftmax(logits_NC, -1)
                .gather(-1, labels_N.clampMin(0).unsqueeze(-1))
                .squeeze(-1);
        return logprobs_N.mul(counted_N).sum().neg().div(counted_N.sum().clampMin(1));
    }
}
