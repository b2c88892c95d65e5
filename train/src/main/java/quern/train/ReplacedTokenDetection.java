package quern.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import quern.data.BatchSource;
import quern.data.MaskedLm;
import quern.data.SpecialToken;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.models.SpecialTokens;
import quern.models.Task;
import quern.nn.DenseLinear;
import quern.nn.Flow;
import quern.nn.Linear;
import quern.nn.Pass;
import quern.nn.Segment;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.RandomStreams;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Replaced token detection (ELECTRA, Clark et al. 2020, arXiv:2003.10555): a small generator predicts hidden tokens as {@link
 * MaskedLm} does; tokens drawn from its predictions take the place of the hidden ones, and the model, the discriminator, tells
 * for every token whether it is the original one. Both are trained at once by {@code L_mlm + λ L_disc}, equation of section 3.1,
 * with the mean of {@code L_mlm} over hidden tokens and that of {@code L_disc} over all tokens of a batch; no gradient goes
 * through the draw. A token drawn that is the hidden one counts as original. What is saved is the discriminator's body.
 *
 * <p>Deviation: the two share no embeddings (section 3.2's weight sharing).
 */
public final class ReplacedTokenDetection implements TrainedObjective {
    /** Masking of the paper's appendix A: all hidden tokens become the mask token. */
    private static MaskedLm.Config masking(Config config) {
        return new MaskedLm.Config(config.mlmProbability(), 1, 0, MaskedLm.Masking.TOKEN);
    }

    /**
     * @param generator the settings of the second model: its family and sizes
     * @param mlmProbability the share of tokens hidden from the generator
     * @param discriminatorWeight λ
     */
    public record Config(
            @Doc("The settings of the generator: family, sizes, as under model.")
            Block generator,

            @Doc("The share of tokens hidden from the generator.")
            @Default("0.15")
            @Range(min = 0, max = 1, minExclusive = true)
            double mlmProbability,

            @Doc("What the discriminator's loss counts beside the generator's.")
            @Default("50")
            @Range(min = 0, minExclusive = true)
            double discriminatorWeight) {}

    @Override
    public String id() {
        return "rtd";
    }

    @Override
    public String summary() {
        return "tell tokens that a generator put in from original ones (ELECTRA)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public String task() {
        return "model";
    }

    @Override
    public List<String> specialTokens() {
        return new MaskedLm().specialTokens();
    }

    @Override
    public BatchSource source(Input input, Record config) {
        return new MaskedLm().source(input, masking((Config) config));
    }

    @Override
    public Added add(Place place) {
        Config config = (Config) place.config();
        Block settings = config.generator();
        if (!settings.has("family")) {
            throw QuernException.badInput(
                    "%s: generator: expected family: NAME and its sizes, found %s",
                    settings.position(), settings.keys());
        }
        OptionalInt end = place.tokenizer().endOfText();
        ModelSpec spec = ModelSpec.fromRecipe(
                settings,
                place.model().config().vocabSize(),
                new SpecialTokens(end, end, place.tokenizer().special(SpecialToken.PAD_TOKEN)),
                Optional.of(Task.MASKED_LM));
        if (spec.config().longestPass() < place.model().config().longestPass()) {
            throw QuernException.badInput(
                    "%s: generator: made for %d positions, but the model for %d; give it as many",
                    settings.position(),
                    spec.config().longestPass(),
                    place.model().config().longestPass());
        }
        long seed = new RandomStreams(place.seed()).seed("generator");
        LanguageModel generator =
                LanguageModel.create(spec, place.model().dtype(), place.model().device(), seed);
        return new Added(
                List.of(new Generator(generator)),
                List.of(Discriminator.of(place, config.discriminatorWeight())),
                generator::close);
    }

    /**
     * The generator as one segment. Reads {@code input_ids} with hidden tokens, {@code targets} and {@code weights}; writes {@code
     * input_ids} with drawn ones, {@code replaced} (fp32 [B, T], 1 where another token stands than did), and its {@code loss}.
     */
    private static final class Generator extends Segment {
        private final LanguageModel model;
        /** The generator's own parameters by their names in it; here their names begin with {@code generator.}. */
        private final Map<String, Parameter> parameters = new LinkedHashMap<>();

        Generator(LanguageModel model) {
            super("generator");
            this.model = model;
            for (Parameter p : model.parameters()) {
                Parameter named = new Parameter("generator." + p.name(), p.value());
                named.setRateFactor(p.rateFactor());
                parameters.put(p.name(), named);
            }
        }

        @Override
        public List<String> reads() {
            return List.of("input_ids", "targets", "weights");
        }

        @Override
        public List<String> readsIfPresent() {
            return List.of("attention_mask");
        }

        @Override
        public List<String> writes() {
            return List.of("input_ids", "replaced", "loss");
        }

        @Override
        public List<Parameter> parameters() {
            return List.copyOf(parameters.values());
        }

        @Override
        public void forward(Flow flow, Pass pass) {
            Flow inputs = new Flow().put("input_ids", flow.get("input_ids"));
            if (flow.has("attention_mask")) {
                inputs.put("attention_mask", flow.get("attention_mask"));
            }
            RandomStream random = pass.random("generator/draw");
            Map<String, Tensor> weights = new LinkedHashMap<>();
            parameters.forEach((name, p) -> weights.put(name, pass.value(p)));
            Tensor logits_BTV =
                    model.network().wholeGraph(weights, inputs, pass).get("logits");
            Tensor logprobs_BTV = Functional.logSoftmax(logits_BTV.to(DType.FP32), -1);
            Tensor targets_BT = flow.get("targets");
            Tensor hidden_BT = targets_BT.ge(0);
            Tensor original_BT = Tensor.where(hidden_BT, targets_BT, flow.get("input_ids"));
            Tensor logprobs_BT = logprobs_BTV
                    .gather(-1, targets_BT.clampMin(0).unsqueeze(-1))
                    .squeeze(-1);
            flow.put("loss", logprobs_BT.mul(flow.get("weights")).sum().neg().view(1));
            Tensor drawn_BT;
            try (Autograd.Mode mode = Autograd.noGrad()) {
                long rows = logprobs_BT.numel();
                drawn_BT = logprobs_BTV
                        .detach()
                        .exp()
                        .reshape(rows, logprobs_BTV.size(-1))
                        .multinomial(1, random)
                        .view(targets_BT.shape());
            }
            Tensor ids_BT = Tensor.where(hidden_BT, drawn_BT, flow.get("input_ids"));
            flow.put("input_ids", ids_BT);
            flow.put("replaced", ids_BT.sub(original_BT).ne(0).to(DType.FP32));
        }
    }

    /** ELECTRA's head over {@code hidden_states}; adds λ times its loss to {@code loss}. */
    private static final class Discriminator extends Segment {
        private final Linear dense;
        private final Linear output;
        private final double weight;

        private Discriminator(Linear dense, Linear output, double weight) {
            super("discriminator_predictions");
            this.dense = dense;
            this.output = output;
            this.weight = weight;
        }

        static Discriminator of(Place place, double weight) {
            long width = place.model().config().outputWidth();
            return new Discriminator(
                    linear(place, "dense", width, width), linear(place, "dense_prediction", width, 1), weight);
        }

        private static Linear linear(Place place, String name, long in, long out) {
            String whole = "discriminator_predictions." + name;
            DType dtype = place.model().dtype();
            Device device = place.model().device();
            try (Scope scope = Scope.open()) {
                Tensor weight = Tensor.empty(DType.FP32, Device.CPU, out, in)
                        .normal_(0, 0.02, new RandomStream(new RandomStreams(place.seed()).seed("init/" + whole)));
                return new Linear(
                        whole,
                        new DenseLinear(
                                new Parameter(
                                        whole + ".weight", weight.to(dtype).to(device)),
                                new Parameter(whole + ".bias", Tensor.zeros(dtype, device, out))));
            }
        }

        @Override
        public List<String> reads() {
            return List.of("hidden_states", "replaced", "weights", "loss");
        }

        @Override
        public List<String> readsIfPresent() {
            return List.of("attention_mask");
        }

        @Override
        public List<String> writes() {
            return List.of("logits", "loss");
        }

        @Override
        public List<Linear> linears() {
            return List.of(dense, output);
        }

        @Override
        public List<Parameter> parameters() {
            List<Parameter> all = new ArrayList<>(dense.parameters());
            all.addAll(output.parameters());
            return all;
        }

        @Override
        public void forward(Flow flow, Pass pass) {
            Tensor hidden_BTD = Functional.gelu(dense.forward(flow.get("hidden_states"), pass));
            Tensor logits_BT = output.forward(hidden_BTD, pass).squeeze(-1).to(DType.FP32);
            flow.put("logits", logits_BT);
            Tensor replaced_BT = flow.get("replaced");
            // -log σ(x) of replaced tokens and -log σ(-x) of the others, without overflow: max(x, 0) - x y + log(1 +
            // e^-|x|).
            Tensor losses_BT = logits_BT
                    .clampMin(0)
                    .sub(logits_BT.mul(replaced_BT))
                    .add(logits_BT.abs().neg().exp().add(1).log());
            Tensor mask_BT = flow.find("attention_mask");
            Tensor mean = mask_BT == null
                    ? losses_BT.mean()
                    : losses_BT
                            .mul(mask_BT.to(DType.FP32))
                            .sum()
                            .div(mask_BT.to(DType.FP32).sum());
            // A batch's share of its step's hidden tokens is its share of the step.
            Tensor share = flow.get("weights").sum();
            flow.put("loss", flow.get("loss").add(mean.mul(share).mul(weight).view(1)));
        }
    }
}
