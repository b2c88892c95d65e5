package quern.nn;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * The losses that keep routers in order. Balance (Fedus et al. 2021, arXiv:2101.03961): {@code coefficient · E · Σ f·P} over
 * unmasked tokens, where f is the share of tokens that picked an expert, summed over the k picks and before any limit of
 * capacity, and P the router's mean probability. And the z-loss (Zoph et al. 2022, arXiv:2202.08906): {@code coefficient · mean
 * of (ln Σ exp logits)²}. Added to {@code loss}, weighted by the sum of {@code weights}: the share of the whole batch that this
 * pass is. A flow without {@code loss} and {@code weights} is left alone.
 */
public final class RouterLoss extends Segment {
    private final List<String> logits;
    private final int topK;
    private final double balance;
    private final double z;
    private final boolean together;
    private final boolean padded;

    private RouterLoss(
            String name, List<String> places, int topK, double balance, double z, boolean together, boolean padded) {
        super(name);
        this.logits = places.stream().map(MixtureOfExperts::routerLogits).toList();
        this.topK = topK;
        this.balance = balance;
        this.z = z;
        this.together = together;
        this.padded = padded;
    }

    /** The balance of the tokens of all layers at these places together, as transformers has it for Mixtral. */
    public static RouterLoss ofAllTogether(String name, List<String> places, int topK, double balance) {
        return new RouterLoss(name, places, topK, balance, 0, true, true);
    }

    /**
     * The sum over the layers at these places of each one's losses, as the papers have it.
     *
     * @param balance the coefficient of the balance
     * @param z the coefficient of the z-loss
     */
    public static RouterLoss ofEach(String name, List<String> places, int topK, double balance, double z) {
        return new RouterLoss(name, places, topK, balance, z, false, true);
    }

    /** The same for layers whose tokens {@code attention_mask} says nothing of, those of a decoder beside an encoder. */
    public RouterLoss ofUnpadded() {
        return new RouterLoss(
                name(), logits.stream().map(MixtureOfExperts::place).toList(), topK, balance, z, together, false);
    }

    @Override
    public List<String> reads() {
        return List.of();
    }

    /** {@inheritDoc} Router logits are needed with a loss alone: in generation an encoder's pass is over before. */
    @Override
    public List<String> readsIfPresent() {
        List<String> names = new ArrayList<>(logits);
        names.addAll(List.of("loss", "weights"));
        if (padded) {
            names.add("attention_mask");
        }
        return names;
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
        List<Tensor> layers = logits.stream()
                .map(name -> flow.get(name).to(DType.FP32))
                .map(x_BTE -> x_BTE.reshape(-1, x_BTE.size(-1)))
                .toList();
        Tensor padding = flow.find("attention_mask");
        Tensor counted_N1 = padding == null
                ? Tensor.full(1, DType.FP32, loss.device(), layers.getFirst().size(0), 1)
                : padding.to(DType.FP32).reshape(-1, 1);
        Tensor sum;
        if (together) {
            sum = ofRouter(Tensor.cat(layers, 0), counted_N1.repeat(layers.size(), 1));
        } else {
            sum = layers.stream()
                    .map(x_NE -> ofRouter(x_NE, counted_N1))
                    .reduce(Tensor::add)
                    .orElseThrow();
        }
        flow.put("loss", loss.add(sum.mul(weights.sum())));
    }

    private Tensor ofRouter(Tensor logits_NE, Tensor counted_N1) {
        Tensor count = counted_N1.sum();
        Tensor sum = balance(logits_NE, counted_N1, count).mul(balance);
        if (z == 0) {
            return sum;
        }
        Tensor z_N1 = logits_NE.logSumExp(true, -1).square();
        return sum.add(z_N1.mul(counted_N1).sum().div(count).mul(z));
    }

    private Tensor balance(Tensor logits_NE, Tensor counted_N1, Tensor count) {
        Tensor probabilities_NE = Functional.softmax(logits_NE, -1);
        long tokens = probabilities_NE.size(0);
        long experts = probabilities_NE.size(1);
        Tensor picks_NK = probabilities_NE.detach().topk(topK, -1).indices();
        Tensor picked_NE = Tensor.zeros(DType.FP32, probabilities_NE.device(), tokens, experts)
                .scatterAdd_(-1, picks_NK, Tensor.full(1, DType.FP32, probabilities_NE.device(), tokens, topK));
        Tensor f_E = picked_NE.mul(counted_N1).sum(false, 0).div(count);
        Tensor p_E = probabilities_NE.mul(counted_N1).sum(false, 0).div(count);
        return f_E.mul(p_E).sum().mul(experts);
    }
}
