package quern.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * The loss that balances experts (Fedus et al. 2021, arXiv:2101.03961): {@code coefficient · E · Σ f·P} over the unmasked
 * tokens of all layers together, where f is the share of tokens that picked an expert, summed over the k picks, and P the
 * router's mean probability. Added to {@code loss}, weighted by the sum of {@code weights}: the share of the whole batch
 * that this pass is. A flow without {@code loss} and {@code weights} is left alone.
 */
public final class RouterLoss extends Segment {
    private final List<String> logits;
    private final int topK;
    private final double coefficient;

    /** The loss of the routers of layers 0 to {@code layers - 1}. */
    public RouterLoss(String name, int layers, int topK, double coefficient) {
        super(name);
        this.logits = IntStream.range(0, layers)
                .mapToObj(MixtureOfExperts::routerLogits)
                .toList();
        this.topK = topK;
        this.coefficient = coefficient;
    }

    @Override
    public List<String> reads() {
        return logits;
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
        if (loss == null || weights == null) {
            return;
        }
        Tensor share = weights.sum();
        flow.put("loss", loss.add(balance(flow).mul(coefficient).mul(share)));
    }

    private Tensor balance(Flow flow) {
        List<Tensor> layers = new ArrayList<>();
        for (String name : logits) {
            Tensor x_BTE = flow.get(name);
            layers.add(x_BTE.to(DType.FP32).reshape(-1, x_BTE.size(-1)));
        }
        Tensor probabilities_NE = Functional.softmax(Tensor.cat(layers, 0), -1);
        long tokens = probabilities_NE.size(0);
        long experts = probabilities_NE.size(1);
        Tensor picks_NK = probabilities_NE.detach().topk(topK, -1).indices();
        Tensor picked_NE = Tensor.zeros(DType.FP32, probabilities_NE.device(), tokens, experts)
                .scatterAdd_(-1, picks_NK, Tensor.full(1, DType.FP32, probabilities_NE.device(), tokens, topK));
        Tensor padding = flow.find("attention_mask");
        Tensor counted_N1 = padding == null
                ? Tensor.full(1, DType.FP32, probabilities_NE.device(), tokens, 1)
                : padding.to(DType.FP32).reshape(-1, 1).repeat(logits.size(), 1);
        Tensor count = counted_N1.sum();
        Tensor f_E = picked_NE.mul(counted_N1).sum(false, 0).div(count);
        Tensor p_E = probabilities_NE.mul(counted_N1).sum(false, 0).div(count);
        return f_E.mul(p_E).sum().mul(experts);
    }
}
