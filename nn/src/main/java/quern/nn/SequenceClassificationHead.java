package quern.nn;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Labels a sequence: {@code logits} [B, L] from {@code pooler_output} [B, D]. With {@code labels} in the flow also {@code
 * loss} [1] in fp32, the mean that its {@link ProblemType} says.
 */
public final class SequenceClassificationHead extends Segment {
    private final Linear output;
    private final double dropout;
    private final Optional<ProblemType> problemType;

    /**
     * @param output the slot [L, D]
     * @param dropout before it
     * @param problemType when empty: regression for one label, else by the labels' dtype single-label (whole numbers) or
     *     multi-label
     */
    public SequenceClassificationHead(String name, Linear output, double dropout, Optional<ProblemType> problemType) {
        super(name);
        this.output = output;
        this.dropout = dropout;
        this.problemType = problemType;
    }

    @Override
    public List<String> reads() {
        return List.of("pooler_output");
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
        boolean oneOfSeveral = output.form().outFeatures() > 1
                && problemType.orElse(ProblemType.SINGLE_LABEL_CLASSIFICATION)
                        == ProblemType.SINGLE_LABEL_CLASSIFICATION;
        return oneOfSeveral ? Regularization.OF_SOFTMAX : Set.of();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor x_BD = SelfAttention.drop(flow.get("pooler_output"), dropout, "classifier_dropout", name(), pass);
        Tensor logits_BL = pass.at(name(), "logits", output.forward(x_BD, pass));
        flow.put("logits", logits_BL);
        Tensor labels = flow.find("labels");
        if (labels != null) {
            flow.put("loss", loss(logits_BL.to(DType.FP32), labels, pass).view(1));
        }
    }

    private Tensor loss(Tensor logits_BL, Tensor labels, Pass pass) {
        long count = logits_BL.size(1);
        ProblemType type = problemType.orElse(
                count == 1
                        ? ProblemType.REGRESSION
                        : labels.dtype().isFloatingPoint()
                                ? ProblemType.MULTI_LABEL_CLASSIFICATION
                                : ProblemType.SINGLE_LABEL_CLASSIFICATION);
        if (type == ProblemType.SINGLE_LABEL_CLASSIFICATION) {
            return SoftmaxLoss.mean(logits_BL, labels.to(DType.INT64).reshape(labels.numel()), pass.regularization());
        }
        if (labels.numel() != logits_BL.numel()) {
            throw QuernException.badInput(
                    "labels: %s, but %s of %d rows and %d labels needs as many numbers",
                    labels, type.id(), logits_BL.size(0), count);
        }
        Tensor wanted_BL = labels.to(DType.FP32).reshape(logits_BL.size(0), count);
        if (type == ProblemType.REGRESSION) {
            return logits_BL.sub(wanted_BL).square().mean();
        }
        // softplus(x) - x·y, softplus as a sum of exponentials, which is exact on both sides.
        Tensor zero = Tensor.zeros(DType.FP32, logits_BL.device(), logits_BL.shape());
        Tensor softplus_BL = Tensor.stack(List.of(zero, logits_BL), -1).logSumExp(false, -1);
        return softplus_BL.sub(logits_BL.mul(wanted_BL)).mean();
    }
}
