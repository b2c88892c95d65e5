package quern.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * A feed-forward part of E gated experts of which a router picks k for each token (Shazeer et al. 2017, arXiv:1701.06538;
 * Jiang et al. 2024, arXiv:2401.04088): {@code Σ p_e · down_e(act(gate_e(x)) · up_e(x))}, where p is the router's softmax,
 * made to sum to 1 over the picked experts. Writes {@code router_logits.LAYER} [B, T, E] for {@link RouterLoss}.
 */
public final class MixtureOfExperts implements Branch {
    private final String owner;
    private final int layer;
    private final Linear router;
    private final Parameter gateUp_E2ID;
    private final Parameter down_EDI;
    private final Activation activation;
    private final int topK;
    private final double jitter;

    /**
     * @param layer which layer's router logits it writes
     * @param router the slot from D to E
     * @param gateUp_E2ID each expert's gate rows and, below them, up rows
     * @param topK k, experts a token
     * @param jitter while training, inputs are multiplied by numbers from [1 - jitter, 1 + jitter]
     */
    public MixtureOfExperts(
            String owner,
            int layer,
            Linear router,
            Parameter gateUp_E2ID,
            Parameter down_EDI,
            Activation activation,
            int topK,
            double jitter) {
        this.owner = owner;
        this.layer = layer;
        this.router = router;
        this.gateUp_E2ID = gateUp_E2ID;
        this.down_EDI = down_EDI;
        this.activation = activation;
        this.topK = topK;
        this.jitter = jitter;
    }

    @Override
    public String label() {
        return "mlp";
    }

    @Override
    public List<Parameter> closing() {
        return List.of(down_EDI);
    }

    /** Where this layer's router logits stand in the flow. */
    static String routerLogits(int layer) {
        return "router_logits." + layer;
    }

    @Override
    public List<String> writes() {
        return List.of(routerLogits(layer));
    }

    @Override
    public Tensor forward(Tensor x_BTD, Flow flow, Pass pass) {
        Tensor x = x_BTD;
        if (pass.isTraining() && jitter > 0) {
            Tensor noise = Tensor.empty(x.dtype(), Device.CPU, x.shape())
                    .uniform_(1 - jitter, 1 + jitter, pass.random("router_jitter/" + owner));
            x = x.mul(noise.to(x.device()));
        }
        long width = x.size(-1);
        Tensor x_ND = x.reshape(-1, width);
        Tensor logits_NE = router.forward(x_ND, pass);
        long experts = logits_NE.size(-1);
        flow.put(routerLogits(layer), logits_NE.view(x.size(0), x.size(1), experts));
        Tensor.Ranked picked = Functional.softmax(logits_NE.to(DType.FP32), -1).topk(topK, -1);
        Tensor shares_NK = picked.values().div(picked.values().sum(true, -1));
        Routes routes = Routes.of(picked.indices().toLongs(), (int) experts, topK);

        List<Tensor> gateUps = pass.value(gateUp_E2ID).split(1, 0);
        List<Tensor> downs = pass.value(down_EDI).split(1, 0);
        List<Tensor> results = new ArrayList<>();
        for (int e = 0; e < experts; e++) {
            if (routes.tokens[e].length == 0) {
                continue;
            }
            Tensor rows = Tensor.of(routes.tokens[e], routes.tokens[e].length).to(x.device());
            Tensor both =
                    Functional.linear(x_ND.indexSelect(0, rows), gateUps.get(e).squeeze(0), null);
            long half = both.size(-1) / 2;
            Tensor hidden = activation.apply(both.narrow(-1, 0, half)).mul(both.narrow(-1, half, half));
            hidden = SelfAttention.drop(
                    hidden, pass.dropout(Regularization.Place.FEED_FORWARD, 0), "mlp_hidden_dropout_" + e, owner, pass);
            results.add(Functional.linear(hidden, downs.get(e).squeeze(0), null));
        }
        Tensor places = Tensor.of(routes.places, routes.places.length).to(x.device());
        Tensor y_NKD = Tensor.cat(results, 0).indexSelect(0, places).view(-1, topK, width);
        Tensor y_ND = y_NKD.mul(shares_NK.to(x.dtype()).unsqueeze(-1)).sum(false, 1);
        return y_ND.view(x_BTD.shape());
    }

    /**
     * @param tokens each expert's tokens, in order
     * @param places for each token and pick, where its result stands among all experts' results
     */
    private record Routes(long[][] tokens, long[] places) {
        static Routes of(long[] experts_NK, int experts, int topK) {
            int[] counts = new int[experts];
            for (long e : experts_NK) {
                counts[(int) e]++;
            }
            long[][] tokens = new long[experts][];
            int[] starts = new int[experts];
            for (int e = 0, start = 0; e < experts; start += counts[e], e++) {
                tokens[e] = new long[counts[e]];
                starts[e] = start;
            }
            int[] filled = new int[experts];
            long[] places = new long[experts_NK.length];
            for (int i = 0; i < experts_NK.length; i++) {
                int e = (int) experts_NK[i];
                places[i] = starts[e] + filled[e];
                tokens[e][filled[e]++] = i / topK;
            }
            return new Routes(tokens, places);
        }
    }

    @Override
    public Set<Regularization.Kind> regularizers() {
        return Set.of(Regularization.Kind.FEED_FORWARD_DROPOUT);
    }

    @Override
    public List<Linear> linears() {
        return List.of(router);
    }

    @Override
    public List<Parameter> parameters() {
        return Stream.concat(router.parameters().stream(), Stream.of(gateUp_E2ID, down_EDI))
                .toList();
    }
}
