package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * What thinking longer costs: {@code coefficient} times the mean ponder cost ({@link AdaptiveHalting#COST}) of the unmasked
 * positions, added to {@code loss} and weighted by the sum of {@code weights}, the share of the whole batch that this pass
 * is. In training alone, which is told the mean under the cost's name; a validation loss is that of the task. A flow without
 * {@code loss} and {@code weights} is left alone.
 */
public final class PonderLoss extends Segment {
    private final double coefficient;

    /** The loss with this factor. */
    public PonderLoss(String name, double coefficient) {
        super(name);
        this.coefficient = coefficient;
    }

    @Override
    public List<String> reads() {
        return List.of(AdaptiveHalting.COST);
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of("loss", "weights", "attention_mask");
    }

    @Override
    public List<String> writes() {
        return List.of("loss");
    }

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor loss = flow.find("loss");
        Tensor weights = flow.find("weights");
        if (loss == null || weights == null || !pass.isTraining()) {
            return;
        }
        Tensor cost_BT = flow.get(AdaptiveHalting.COST);
        Tensor padding = flow.find("attention_mask");
        Tensor mean = padding == null
                ? cost_BT.mean()
                : cost_BT.mul(padding.to(DType.FP32))
                        .sum()
                        .div(padding.to(DType.FP32).sum());
        if (pass.reports()) {
            pass.report(AdaptiveHalting.COST, mean.detach().item());
        }
        flow.put("loss", loss.add(mean.mul(coefficient).mul(weights.sum())));
    }
}
