package quern.nn;

import java.util.List;
import java.util.Set;
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
    public Set<Regularization.Kind> regularizers() {
        return Regularization.OF_SOFTMAX;
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
                ? SoftmaxLoss.mean(logits_B2, labels_B, pass.regularization())
                : SoftmaxLoss.rows(logits_B2, labels_B, pass.regularization())
                        .losses()
                        .mul(weights_B)
                        .sum();
        Tensor before = flow.find("loss");
        flow.put("loss", before == null ? loss.view(1) : before.add(loss.view(1)));
    }
}
