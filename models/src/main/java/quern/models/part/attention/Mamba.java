package quern.models.part.attention;

import quern.models.Initialization;
import quern.models.part.Assembly;
import quern.models.part.AttentionPart;
import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.InitializationPart.Role;
import quern.models.part.PartTechnique;
import quern.models.part.Parts;
import quern.models.part.position.NoPosition;
import quern.models.part.structure.Decoder;
import quern.models.part.structure.NoRecurrence;
import quern.nn.Branch;
import quern.nn.Norm;
import quern.nn.StateSpaceMixer;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Mamba-2 (Dao and Gu 2024, arXiv:2405.21060): a selective state space in attention's place. {@code num_attention_heads} are
 * its heads, and a block keeps its feed-forward part. It knows order by itself. A generation keeps a state of one size, however
 * long the text.
 */
public final class Mamba implements PartTechnique {
    /** Where new decays' rates and steps lie, as published: rates from 1 to 16, steps from 0.001 to 0.1. */
    private static final double MOST_RATE = 16;

    private static final double LEAST_STEP = 0.001;
    private static final double MOST_STEP = 0.1;
    private static final double EPSILON = 1e-5;

    @Override
    public String kind() {
        return AttentionPart.KIND;
    }

    @Override
    public String id() {
        return "mamba";
    }

    @Override
    public String summary() {
        return "A selective state space in attention's place (Mamba-2)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param stateSize numbers that a head keeps for each of its features
     * @param expand how many times the stream's width all heads are wide
     * @param convKernel tokens that the convolution before it sees
     * @param chunkSize tokens computed at once by matrix products
     */
    public record Config(
            @Doc("Numbers that a head keeps for each of its features.") @Default("64") @Range(min = 1)
            int stateSize,

            @Doc("How many times the stream's width all heads are wide.") @Default("2") @Range(min = 1)
            int expand,

            @Doc("Tokens that the convolution before it sees.") @Default("4") @Range(min = 2)
            int convKernel,

            @Doc("Tokens computed at once by matrix products; changes the speed alone.") @Default("64") @Range(min = 1)
            int chunkSize)
            implements AttentionPart {
        @Override
        public int keyValueHeads(int heads, Integer written) {
            if (written != null) {
                throw new IllegalArgumentException(
                        "num_key_value_heads: %d, but attention: mamba has no keys and values; leave it out"
                                .formatted(written));
            }
            return heads;
        }

        @Override
        public boolean takesHeadDim() {
            return false;
        }

        @Override
        public void check(Composition c) {
            Parts parts = c.parts();
            require(
                    (long) expand * c.hiddenSize() % c.numAttentionHeads() == 0,
                    "num_attention_heads: attention: mamba divides a width of %d times %d among them evenly; choose another number"
                            .formatted(expand, c.hiddenSize()));
            require(
                    parts.structure() instanceof Decoder.Config,
                    "attention: mamba reads from left to right; set structure: decoder");
            require(
                    parts.position() instanceof NoPosition.Config,
                    "attention: mamba knows order by its state and has nothing that positions could turn or add to; set position: none");
            require(
                    parts.patterns().stream().allMatch(FullPattern.Config.class::isInstance),
                    "attention: mamba has no keys to choose from; set attention_pattern: full");
            require(
                    parts.recurrence() instanceof NoRecurrence.Config,
                    "attention: mamba has a state of its own; set recurrence: none");
            require(!c.qkNorm(), "qk_norm: attention: mamba has no queries and keys; leave it out");
            require(!c.attentionSinks(), "attention_sinks: attention: mamba has no softmax; leave it out");
            require(!c.attentionBias(), "attention_bias: the maps of attention: mamba have none; leave it out");
            require(c.attentionDropout() == 0, "attention_dropout: attention: mamba has no pattern; leave it out");
            require(
                    c.attnLogitSoftcapping().isEmpty(),
                    "attn_logit_softcapping: attention: mamba has no scores; leave it out");
        }

        private static void require(boolean holds, String message) {
            if (!holds) {
                throw new IllegalArgumentException(message);
            }
        }

        @Override
        public Branch branch(BlockSite site) {
            Assembly a = site.assembly();
            Composition c = site.config();
            String name = site.name() + ".self_attn";
            int d = c.hiddenSize();
            int heads = c.numAttentionHeads();
            StateSpaceMixer.Shape shape =
                    new StateSpaceMixer.Shape(heads, expand * d / heads, stateSize, convKernel, chunkSize);
            int inner = expand * d;
            int convolved = inner + 2 * stateSize;
            return new StateSpaceMixer(
                    site.name(),
                    site.layer(),
                    shape,
                    new StateSpaceMixer.Weights(
                            a.linear(Role.OTHER, name + ".in_proj", d, (long) inner + convolved + heads, false),
                            a.weights()
                                    .parameter(
                                            name + ".conv1d.weight",
                                            Initialization.normal(1 / Math.sqrt(convKernel)),
                                            convolved,
                                            convKernel),
                            a.weights().parameter(name + ".conv1d.bias", Initialization.ZEROS, convolved),
                            a.weights()
                                    .parameter(
                                            name + ".A_log", new Initialization.Evenly(0, Math.log(MOST_RATE)), heads),
                            a.weights()
                                    .parameter(
                                            name + ".dt_bias",
                                            new Initialization.Evenly(before(LEAST_STEP), before(MOST_STEP)),
                                            heads),
                            a.weights().parameter(name + ".D", Initialization.ONES, heads),
                            new Norm.RmsNorm(
                                    a.weights().parameter(name + ".norm.weight", Initialization.ONES, inner), EPSILON),
                            a.linear(Role.RESIDUAL, name + ".out_proj", inner, d, false)));
        }

        /** The number whose softplus is {@code step}. */
        private static double before(double step) {
            return Math.log(Math.expm1(step));
        }
    }
}
