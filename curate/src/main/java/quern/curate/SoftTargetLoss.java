package quern.curate;

import java.util.List;
import quern.nn.Flow;
import quern.nn.LanguageModelHead;
import quern.nn.Pass;
import quern.nn.Segment;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Cross-entropy against probabilities in the place of one right token: where a flow holds {@code soft_targets} [B, T, V], the
 * model's head gives logits once more and {@code loss} becomes {@code Σ weight · Σ_v -target_v · log p_v}. Label smoothing and
 * z-loss have no part in it.
 */
final class SoftTargetLoss extends Segment {
    static final String SOFT_TARGETS = "soft_targets";

    private final LanguageModelHead head;

    SoftTargetLoss(LanguageModelHead head) {
        super("soft_target_loss");
        this.head = head;
    }

    /**
     * The loss [1] in fp32.
     *
     * @param logits_BTV in any dtype
     * @param targets_BTV fp32 probabilities
     * @param weights_BT fp32
     */
    static Tensor loss(Tensor logits_BTV, Tensor targets_BTV, Tensor weights_BT) {
        Tensor logprobs_BTV = Functional.logSoftmax(logits_BTV.to(quern.tensor.DType.FP32), -1);
        return logprobs_BTV
                .mul(targets_BTV)
                .sum(false, -1)
                .mul(weights_BT)
                .sum()
                .neg()
                .view(1);
    }

    @Override
    public List<String> reads() {
        return List.of("hidden_states");
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of(SOFT_TARGETS, "weights", "loss");
    }

    @Override
    public List<String> writes() {
        return List.of("loss");
    }

    @Override
    public List<Parameter> parameters() {
        return head.parameters();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        if (!flow.has(SOFT_TARGETS)) {
            return;
        }
        Flow answer = new Flow().put("hidden_states", flow.get("hidden_states"));
        head.forward(answer, pass);
        flow.put("loss", loss(answer.get("logits"), flow.get(SOFT_TARGETS), flow.get("weights")));
    }
}
