package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Whether the second text follows the first (Devlin et al. 2019, arXiv:1810.04805): {@code seq_relationship_logits} [B,
 * 2] from {@code pooler_output}, class 0 for a text that follows. With {@code next_sentence_label} (int64 [B], -100 where
 * not counted) in the flow its loss is added to {@code loss} [1]: the mean over counted rows, or the sum weighted by
 * {@code next_sentence_weights} (fp32 [B]) where given.
 */
public final class NextSentenceHead extends Segment {
    private final Linear output;

    /** A head with its slot [2, D]. */
    public NextSentenceHead(String name, Linear output) {
        super(name);
        this.output = output;
    }

    @Override
    public List<String> reads() {
        return List.of("pooler_output");
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of("next_sentence_label", "next_sentence_weights", "loss");
    }

    @Override
    public List<String> writes() {
        return List.of("seq_relationship_logits", "loss");
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
        Tensor logits_B2 = pass.at(name(), "logits", output.forward(flow.get("pooler_output"), pass));
        flow.put("seq_relationship_logits", logits_B2);
        Tensor labels = flow.find("next_sentence_label");
        if (labels == null) {
            return;
        }
        Tensor labels_B = labels.reshape(labels.numel());
        Tensor weights_B = flow.find("next_sentence_weights");
        Tensor loss = weights_B == null
                ? ClassLoss.mean(logits_B2.to(DType.FP32), labels_B)
                : weighted(logits_B2.to(DType.FP32), labels_B, weights_B);
        Tensor before = flow.find("loss");
        flow.put("loss", before == null ? loss.view(1) : before.add(loss.view(1)));
    }

    private static Tensor weighted(Tensor logits_B2, Tensor labels_B, Tensor weights_B) {
        Tensor logprobs_B = Functional.logSoftmax(logits_B2, -1)
                .gather(-1, labels_B.clampMin(0).unsqueeze(-1))
                .squeeze(-1);
        return logprobs_B.mul(weights_B).sum().neg();
    }
}
