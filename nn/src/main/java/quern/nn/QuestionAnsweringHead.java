package quern.nn;

import java.util.List;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Finds an answer in a text: {@code start_logits} and {@code end_logits} [B, T], how well the answer starts or ends at
 * each token, from {@code hidden_states}. With {@code start_positions} and {@code end_positions} (int64 [B]) in the flow
 * also {@code loss} [1] in fp32, the mean of both cross-entropies; a position outside the text doesn't count.
 */
public final class QuestionAnsweringHead extends Segment {
    private final Linear output;
    private final double dropout;

    /**
     * @param output the slot [2, D]
     * @param dropout before it
     */
    public QuestionAnsweringHead(String name, Linear output, double dropout) {
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
        return List.of("start_positions", "end_positions");
    }

    @Override
    public List<String> writes() {
        return List.of("start_logits", "end_logits", "loss");
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
    public void forward(Flow flow, Pass pass) {
        Tensor x_BTD = SelfAttention.drop(flow.get("hidden_states"), dropout, "classifier_dropout", name(), pass);
        Tensor logits_BT2 = pass.at(name(), "logits", output.forward(x_BTD, pass));
        Tensor start_BT = logits_BT2.select(-1, 0).contiguous();
        Tensor end_BT = logits_BT2.select(-1, 1).contiguous();
        flow.put("start_logits", start_BT);
        flow.put("end_logits", end_BT);
        if (flow.has("start_positions") && flow.has("end_positions")) {
            Tensor loss = loss(start_BT, flow.get("start_positions"))
                    .add(loss(end_BT, flow.get("end_positions")))
                    .div(2);
            flow.put("loss", loss.view(1));
        }
    }

    private static Tensor loss(Tensor logits_BT, Tensor positions) {
        long length = logits_BT.size(1);
        // As in transformers: before the text counts as its first token, after it as nothing.
        Tensor positions_B = positions.reshape(positions.numel()).clampMin(0);
        return SoftmaxLoss.mean(logits_BT, positions_B.maskedFill(positions_B.ge(length), -100), Regularization.NONE);
    }
}
