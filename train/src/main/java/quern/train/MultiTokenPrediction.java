package quern.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.data.BatchSource;
import quern.data.CausalLm;
import quern.data.DataConfig;
import quern.data.OnTooLong;
import quern.models.LanguageModel;
import quern.nn.DenseLinear;
import quern.nn.Flow;
import quern.nn.LanguageModelHead;
import quern.nn.Linear;
import quern.nn.Pass;
import quern.nn.Segment;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Prediction of several tokens at once (Gloeckle et al. 2024, arXiv:2404.19737, equation 2): beside the model's own prediction of the
 * next token, head k predicts the token k places further from the same hidden state, and all losses are added up. Heads share the
 * model's output matrix. Rows are windows over the concatenated text; what lies beyond a row isn't predicted. The training loss is
 * the sum; an evaluation is that of next-token prediction, and the saved model is without the heads.
 *
 * <p>Deviation: a head is the residual block of Medusa (Cai et al. 2024, arXiv:2401.10774, section 2.1.1), {@code x + silu(W x + b)},
 * with W and b 0 at first, where the paper's is a transformer layer.
 */
public final class MultiTokenPrediction implements TrainedObjective {
    /**
     * @param extraTokens how many tokens are predicted beside the next
     * @param extraWeight what the loss of each of them counts
     */
    public record Config(
            @Doc("How many tokens are predicted beside the next.") @Default("3") @Range(min = 1, max = 31)
            int extraTokens,

            @Doc("What the loss of each of them counts.") @Default("1") @Range(min = 0, minExclusive = true)
            double extraWeight) {}

    @Override
    public String id() {
        return "multi_token";
    }

    @Override
    public String summary() {
        return "predict several next tokens at once by further heads";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public String task() {
        return "causal_lm";
    }

    /** Nothing: rows are windows. */
    @Override
    public Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        return Set.of();
    }

    @Override
    public BatchSource source(Input input, Record config) {
        int tokens = ((Config) config).extraTokens();
        if (!input.data().packing()) {
            throw QuernException.badInput(
                    "data: packing: false, but objective multi_token looks ahead in windows over the concatenated text; set packing: true");
        }
        if (input.data().maxLength() <= tokens) {
            throw QuernException.badInput(
                    "max_length: rows of %d tokens end before the %d tokens after the next; raise it or lower extra_tokens",
                    input.data().maxLength(), tokens);
        }
        return new CausalLm().source(input, new CausalLm.Config());
    }

    @Override
    public Optional<BatchSource> evaluation(Input input, Record config) {
        return Optional.empty();
    }

    @Override
    public Added add(Place place) {
        Config config = (Config) place.config();
        LanguageModel model = place.model();
        LanguageModelHead output = model.network().segments().stream()
                .filter(LanguageModelHead.class::isInstance)
                .map(LanguageModelHead.class::cast)
                .findFirst()
                .orElseThrow();
        List<Segment> heads = new ArrayList<>();
        for (int k = 1; k <= config.extraTokens(); k++) {
            String name = "multi_token." + k;
            heads.add(new Head(name, k, linear(name, place), output, config.extraWeight()));
        }
        return new Added(List.of(), heads, () -> {});
    }

    private static Linear linear(String name, Place place) {
        long width = place.model().config().outputWidth();
        DType dtype = place.model().dtype();
        Device device = place.model().device();
        try (Scope scope = Scope.open()) {
            return new Linear(
                    name,
                    new DenseLinear(
                            new Parameter(name + ".weight", Tensor.zeros(dtype, device, width, width)),
                            new Parameter(name + ".bias", Tensor.zeros(dtype, device, width))));
        }
    }

    /** Adds to {@code loss} that of the targets k places further. */
    private static final class Head extends Segment {
        private final int ahead;
        private final Linear block;
        private final LanguageModelHead output;
        private final double weight;

        Head(String name, int ahead, Linear block, LanguageModelHead output, double weight) {
            super(name);
            this.ahead = ahead;
            this.block = block;
            this.output = output;
            this.weight = weight;
        }

        @Override
        public List<String> reads() {
            return List.of("hidden_states");
        }

        @Override
        public List<String> readsIfPresent() {
            return List.of("targets", "weights", "loss");
        }

        @Override
        public List<String> writes() {
            return List.of("loss");
        }

        @Override
        public List<Linear> linears() {
            return List.of(block);
        }

        @Override
        public List<Parameter> parameters() {
            List<Parameter> all = new ArrayList<>(block.parameters());
            all.addAll(output.parameters());
            return all;
        }

        @Override
        public void forward(Flow flow, Pass pass) {
            if (!flow.has("loss")) {
                return;
            }
            Tensor x_BTD = flow.get("hidden_states");
            Tensor ahead_BTD = x_BTD.add(Functional.silu(block.forward(x_BTD, pass)));
            Flow further = new Flow()
                    .put("hidden_states", ahead_BTD)
                    .put("targets", shifted(flow.get("targets"), -100))
                    .put("weights", shifted(flow.get("weights"), 0));
            output.forward(further, pass);
            flow.put("loss", flow.get("loss").add(further.get("loss").mul(weight)));
        }

        /** Values k columns further to the left, and {@code fill} where the row has none. */
        private Tensor shifted(Tensor x_BT, double fill) {
            long columns = x_BT.size(1);
            Tensor end = Tensor.full(fill, x_BT.dtype(), x_BT.device(), x_BT.size(0), ahead);
            return Tensor.cat(List.of(x_BT.narrow(1, ahead, columns - ahead), end), 1);
        }
    }
}
