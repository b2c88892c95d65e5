package quern.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * A feed-forward part of E experts of which a router picks k for each token (Shazeer et al. 2017, arXiv:1701.06538; Jiang et
 * al. 2024, arXiv:2401.04088): {@code Σ p_e · expert_e(x)}, where p is the router's softmax, made to sum to 1 over the picked
 * experts. Writes {@code router_logits.PLACE} [B, T, E] for {@link RouterLoss}.
 *
 * <p>As built it is Mixtral's; the {@code with…} methods give variants, such as Switch (Fedus et al. 2021, arXiv:2101.03961): one
 * expert a token, the router's probability as it is, and a limit on the tokens of an expert.
 *
 * <p>A training call reports of each layer {@code router_share.PLACE.EXPERT}, the share of all picks that an expert got;
 * {@code router_dropped.PLACE}, the share of picks that found an expert full; {@code router_entropy.PLACE}, the mean entropy
 * of the router's probabilities in nats; and {@code router_z.PLACE}, the mean square of the logarithm of its softmax's
 * denominator.
 */
public final class MixtureOfExperts implements Branch {
    /**
     * The weights of all experts.
     *
     * @param input {@code [E, 2·I, D]} where gated, each expert's gate rows and, below them, up rows; else {@code [E, I, D]}
     * @param output {@code [E, D, I]}
     * @param gated {@code output(act(gate(x)) · up(x))} rather than {@code output(act(up(x)))}
     */
    public record Experts(Parameter input, Parameter output, Activation activation, boolean gated) {}

    /** What varies between kinds. */
    private static final class Options {
        double jitter;
        boolean jitterForRouterAlone;
        boolean ownProbabilities;
        double capacityFactor;
        boolean withoutPadding;
        FeedForward shared;

        Options() {}

        Options(Options o) {
            jitter = o.jitter;
            jitterForRouterAlone = o.jitterForRouterAlone;
            ownProbabilities = o.ownProbabilities;
            capacityFactor = o.capacityFactor;
            withoutPadding = o.withoutPadding;
            shared = o.shared;
        }
    }

    private static final String ROUTER_LOGITS = "router_logits.";
    private static final String PADDING = "attention_mask";

    /** In place of an expert's number where a token goes to none. */
    private static final long NOWHERE = -1;

    private final String owner;
    private final String place;
    private final Linear router;
    private final Experts experts;
    private final int topK;
    private final Options options;

    /**
     * @param place where the layer stands in its model, which its router logits and reports are called by: its number
     * @param router the slot from D to E
     * @param topK k, experts a token; at most E
     */
    public MixtureOfExperts(String owner, String place, Linear router, Experts experts, int topK) {
        this(owner, place, router, experts, topK, new Options());
    }

    private MixtureOfExperts(String owner, String place, Linear router, Experts experts, int topK, Options options) {
        if (topK < 1 || topK > experts.input().value().size(0)) {
            throw new IllegalArgumentException("%d of %d experts a token"
                    .formatted(topK, experts.input().value().size(0)));
        }
        this.owner = owner;
        this.place = place;
        this.router = router;
        this.experts = experts;
        this.topK = topK;
        this.options = options;
    }

    private MixtureOfExperts with(Consumer<Options> change) {
        Options changed = new Options(options);
        change.accept(changed);
        return new MixtureOfExperts(owner, place, router, experts, topK, changed);
    }

    /** While training, what router and experts read is multiplied by numbers from [1 - jitter, 1 + jitter] (Mixtral). */
    public MixtureOfExperts withJitter(double jitter) {
        return with(o -> {
            o.jitter = jitter;
            o.jitterForRouterAlone = false;
        });
    }

    /** As above, of what the router reads alone (Switch). */
    public MixtureOfExperts withRouterJitter(double jitter) {
        return with(o -> {
            o.jitter = jitter;
            o.jitterForRouterAlone = true;
        });
    }

    /**
     * Results are weighed by the router's probabilities as they are. With one expert a token the router then learns from the
     * model's loss, which probabilities that sum to 1 over the pick would not let through (Switch).
     */
    public MixtureOfExperts withOwnProbabilities() {
        return with(o -> o.ownProbabilities = true);
    }

    /**
     * While training, an expert takes at most {@code ⌈factor · k · tokens / E⌉} picks of a pass. All first picks come before
     * all second ones, those in the order of tokens; a pick that finds its expert full adds nothing, so the token goes on by
     * the residual stream (Lepikhin et al. 2020, arXiv:2006.16668; Fedus et al. 2021). In evaluation and generation there is
     * no limit: a token's result then doesn't depend on its neighbours.
     */
    public MixtureOfExperts withCapacity(double factor) {
        if (!(factor > 0)) {
            throw new IllegalArgumentException("a capacity factor of " + factor + "; it has to be above 0");
        }
        return with(o -> o.capacityFactor = factor);
    }

    /**
     * Tokens that {@code attention_mask} hides go to no expert and add nothing: they would fill experts that real tokens need,
     * and make the reports theirs.
     */
    public MixtureOfExperts withoutPadding() {
        return with(o -> o.withoutPadding = true);
    }

    /** Adds the result of a part that every token goes to (Dai et al. 2024, arXiv:2401.06066). */
    public MixtureOfExperts withShared(FeedForward shared) {
        return with(o -> o.shared = shared);
    }

    @Override
    public String label() {
        return "mlp";
    }

    @Override
    public List<Parameter> closing() {
        List<Parameter> all = new ArrayList<>(List.of(experts.output()));
        if (options.shared != null) {
            all.addAll(options.shared.closing());
        }
        return all;
    }

    /** Where this layer's router logits stand in the flow. */
    static String routerLogits(String place) {
        return ROUTER_LOGITS + place;
    }

    /** The place that {@link #routerLogits} names. */
    static String place(String routerLogits) {
        return routerLogits.substring(ROUTER_LOGITS.length());
    }

    @Override
    public List<String> readsIfPresent() {
        return options.withoutPadding ? List.of(PADDING) : List.of();
    }

    @Override
    public List<String> writes() {
        return List.of(routerLogits(place));
    }

    @Override
    public Tensor forward(Tensor x_BTD, Flow flow, Pass pass) {
        Tensor forRouter = jittered(x_BTD, pass);
        Tensor x = options.jitterForRouterAlone ? x_BTD : forRouter;
        long width = x.size(-1);
        Tensor x_ND = x.reshape(-1, width);
        Tensor logits_NE = router.forward(forRouter.reshape(-1, width), pass);
        int count = (int) logits_NE.size(-1);
        flow.put(routerLogits(place), logits_NE.view(x.size(0), x.size(1), count));
        Tensor probabilities_NE = Functional.softmax(logits_NE.to(DType.FP32), -1);
        Tensor.Ranked picked = probabilities_NE.topk(topK, -1);
        Tensor shares_NK = options.ownProbabilities
                ? picked.values()
                : picked.values().div(picked.values().sum(true, -1));
        long[] picks = picked.indices().toLongs();
        Tensor real_N = real(x.size(1), flow);
        long taken = real_N == null ? picks.length : leaveOut(real_N.toLongs(), picks);
        Routes routes = Routes.of(picks, count, topK, capacity(taken, count, pass));
        if (pass.reports() && taken > 0) {
            report(picks, taken, routes.dropped, probabilities_NE, logits_NE, real_N, pass);
        }
        Tensor y_ND = routed(x_ND, shares_NK, routes, pass);
        Tensor y_BTD = y_ND.view(x_BTD.shape());
        return options.shared == null ? y_BTD : y_BTD.add(options.shared.forward(x_BTD, flow, pass));
    }

    /** 1 for each real token of the pass, 0 for padding; {@code null} where all are real. */
    private Tensor real(long t, Flow flow) {
        Tensor padding_BS = options.withoutPadding ? flow.find(PADDING) : null;
        return padding_BS == null
                ? null
                : padding_BS.narrow(1, padding_BS.size(1) - t, t).reshape(-1);
    }

    /** Takes the picks of padding away, and counts those that are left. */
    private long leaveOut(long[] real_N, long[] picks_NK) {
        long left = 0;
        for (int i = 0; i < picks_NK.length; i++) {
            if (real_N[i / topK] == 0) {
                picks_NK[i] = NOWHERE;
            } else {
                left++;
            }
        }
        return left;
    }

    private Tensor jittered(Tensor x, Pass pass) {
        if (!pass.isTraining() || options.jitter == 0) {
            return x;
        }
        Tensor noise = Tensor.empty(x.dtype(), Device.CPU, x.shape())
                .uniform_(1 - options.jitter, 1 + options.jitter, pass.random("router_jitter/" + owner));
        return x.mul(noise.to(x.device()));
    }

    /** Picks that an expert takes. */
    private int capacity(long picks, int experts, Pass pass) {
        return options.capacityFactor == 0 || !pass.isTraining()
                ? Integer.MAX_VALUE
                : (int) Math.min(Integer.MAX_VALUE, Math.ceil(options.capacityFactor * picks / experts));
    }

    /** The weighed sum of what the experts give for their tokens. */
    private Tensor routed(Tensor x_ND, Tensor shares_NK, Routes routes, Pass pass) {
        long width = x_ND.size(-1);
        List<Tensor> inputs = pass.value(experts.input()).split(1, 0);
        List<Tensor> outputs = pass.value(experts.output()).split(1, 0);
        List<Tensor> results = new ArrayList<>();
        for (int e = 0; e < routes.tokens.length; e++) {
            if (routes.tokens[e].length == 0) {
                continue;
            }
            Tensor rows = Tensor.of(routes.tokens[e], routes.tokens[e].length).to(x_ND.device());
            Tensor hidden = hidden(x_ND.indexSelect(0, rows), inputs.get(e).squeeze(0));
            hidden = SelfAttention.drop(
                    hidden, pass.dropout(Regularization.Place.FEED_FORWARD, 0), "mlp_hidden_dropout_" + e, owner, pass);
            results.add(Functional.linear(hidden, outputs.get(e).squeeze(0), null));
        }
        if (routes.nowhere) {
            // The row that stands for every pick without an expert.
            results.add(Tensor.zeros(x_ND.dtype(), x_ND.device(), 1, width));
        }
        Tensor places = Tensor.of(routes.places, routes.places.length).to(x_ND.device());
        Tensor y_NKD = Tensor.cat(results, 0).indexSelect(0, places).view(-1, topK, width);
        return y_NKD.mul(shares_NK.to(x_ND.dtype()).unsqueeze(-1)).sum(false, 1);
    }

    private Tensor hidden(Tensor x, Tensor input) {
        Tensor first = Functional.linear(x, input, null);
        if (!experts.gated()) {
            return experts.activation().apply(first);
        }
        long half = first.size(-1) / 2;
        return experts.activation().apply(first.narrow(-1, 0, half)).mul(first.narrow(-1, half, half));
    }

    private void report(
            long[] picks,
            long taken,
            int dropped,
            Tensor probabilities_NE,
            Tensor logits_NE,
            Tensor real_N,
            Pass pass) {
        int[] counts = new int[(int) probabilities_NE.size(-1)];
        for (long e : picks) {
            if (e != NOWHERE) {
                counts[(int) e]++;
            }
        }
        for (int e = 0; e < counts.length; e++) {
            pass.report("router_share." + place + "." + e, (double) counts[e] / taken);
        }
        pass.report("router_dropped." + place, (double) dropped / taken);
        try (Autograd.Mode mode = Autograd.noGrad()) {
            Tensor logProbabilities = Functional.logSoftmax(logits_NE.to(DType.FP32), -1);
            Tensor entropy_N =
                    probabilities_NE.mul(logProbabilities).sum(false, -1).neg();
            pass.report("router_entropy." + place, mean(entropy_N, real_N));
            Tensor z_N = logits_NE.to(DType.FP32).logSumExp(false, -1).square();
            pass.report("router_z." + place, mean(z_N, real_N));
        }
    }

    /** Over the real tokens. */
    private static double mean(Tensor x_N, Tensor real_N) {
        if (real_N == null) {
            return x_N.mean().item();
        }
        Tensor counted_N = real_N.to(DType.FP32);
        return x_N.mul(counted_N).sum().item() / counted_N.sum().item();
    }

    /**
     * @param tokens each expert's tokens
     * @param places for each token and pick, where its result stands among all experts' results; one behind the last where
     *     its expert was full or it has none
     * @param dropped picks whose expert was full
     * @param nowhere whether some pick has no expert's result
     */
    private record Routes(long[][] tokens, long[] places, int dropped, boolean nowhere) {
        static Routes of(long[] experts_NK, int experts, int topK, int capacity) {
            int[] counts = new int[experts];
            int picks = 0;
            for (long e : experts_NK) {
                if (e != NOWHERE) {
                    counts[(int) e]++;
                    picks++;
                }
            }
            long[][] tokens = new long[experts][];
            int[] starts = new int[experts];
            int total = 0;
            for (int e = 0; e < experts; e++) {
                tokens[e] = new long[Math.min(counts[e], capacity)];
                starts[e] = total;
                total += tokens[e].length;
            }
            int[] filled = new int[experts];
            long[] places = new long[experts_NK.length];
            for (int k = 0; k < topK; k++) {
                for (int i = k; i < experts_NK.length; i += topK) {
                    int e = (int) experts_NK[i];
                    if (e == NOWHERE || filled[e] == tokens[e].length) {
                        places[i] = total;
                    } else {
                        places[i] = starts[e] + filled[e];
                        tokens[e][filled[e]++] = i / topK;
                    }
                }
            }
            return new Routes(tokens, places, picks - total, total < experts_NK.length);
        }
    }

    @Override
    public Set<Regularization.Kind> regularizers() {
        return Set.of(Regularization.Kind.FEED_FORWARD_DROPOUT);
    }

    @Override
    public List<Linear> linears() {
        return options.shared == null
                ? List.of(router)
                : Stream.concat(Stream.of(router), options.shared.linears().stream())
                        .toList();
    }

    @Override
    public List<Parameter> parameters() {
        Stream<Parameter> own =
                Stream.concat(router.parameters().stream(), Stream.of(experts.input(), experts.output()));
        return options.shared == null
                ? own.toList()
                : Stream.concat(own, options.shared.parameters().stream()).toList();
    }
}
