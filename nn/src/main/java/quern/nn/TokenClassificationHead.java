package quern.nn;

import java.util.List;
import java.util.Set;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Labels every token: {@code logits} [B, T, L] from {@code hidden_states}. With {@code labels} (int64 [B, T], -100 where
 * not counted) in the flow also {@code loss} [1] in fp32, the mean cross-entropy over counted tokens.
 */
public final class TokenClassificationHead extends Segment {
    private final Linear output;
    private final double dropout;

    /**
     * @param output the slot [L, D]
     * @param dropout before it
     */
    public TokenClassificationHead(String name, Linear output, double dropout) {
        super(name);
        this.output = output;
        this.dropout = dropout;
    }

    @Override
    public List<String> reads() {
        return List.of("hidden_states");
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of("labels");
    }

    @Override
    public List<String> writes() {
        return List.of("logits", "loss");
    }

    @Override
    public List<Parameter> parameters() {
        return output.parameters();
    }

    @Override
    public List<Linear> linears() {
        return List.of(output);
    }

    @Override
    public Set<Regularization.Kind> regularizers() {
        return Regularization.OF_SOFTMAX;
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor x_BTD = SelfAttention.drop(flow.get("hidden_states"), dropout, "classifier_dropout", name(), pass);
        Tensor logits_BTL = pass.at(name(), "logits", output.forward(x_BTD, pass));
        flow.put("logits", logits_BTL);
        Tensor labels_BT = flow.find("labels");
        if (labels_BT != null) {
            long rows = labels_BT.numel();
            Tensor logits_NL = logits_BTL.to(DType.FP32).reshape(rows, logits_BTL.size(-1));
            flow.put(
                    "loss",
                    SoftmaxLoss.mean(logits_NL, labels_BT.reshape(rows), pass.regularization())
                            .view(1));
        }
    }
}
