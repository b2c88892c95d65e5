package quern.models.part.attention;

import java.util.Optional;
import quern.models.part.Assembly;
import quern.models.part.AttentionPart;
import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.InitializationPart.Role;
import quern.models.part.PartTechnique;
import quern.models.part.Parts;
import quern.models.part.position.Rotary;
import quern.models.part.structure.NoRecurrence;
import quern.nn.Branch;
import quern.nn.LatentAttention;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Multi-head latent attention (DeepSeek-AI 2024, arXiv:2405.04434): keys and values of all heads from one latent vector a token,
 * and a rotary part of the key beside it. A cache holds these alone. Parameters have the names of DeepSeek-V2's checkpoints.
 */
public final class MultiHeadLatent implements PartTechnique {
    @Override
    public String kind() {
        return AttentionPart.KIND;
    }

    @Override
    public String id() {
        return "mla";
    }

    @Override
    public String summary() {
        return "Multi-head latent attention: keys and values from a small latent vector (DeepSeek-V2)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param kvLoraRank the width of the latent vector
     * @param qLoraRank the width of the queries' own latent vector; none when absent
     * @param qkNopeHeadDim the width of a head's queries and keys that knows no position
     * @param qkRopeHeadDim the width that turns
     * @param vHeadDim the width of a head's values
     */
    public record Config(
            @Doc("The width of the latent vector that keys and values come from.") @Default("512") @Range(min = 1)
            int kvLoraRank,

            @Doc("The width of a latent vector that queries come from; straight from the stream when absent.")
            @Range(min = 1)
            Optional<Integer> qLoraRank,

            @Doc("The width of a head's queries and keys that knows no position.") @Default("128") @Range(min = 1)
            int qkNopeHeadDim,

            @Doc("The width of a head's queries and keys that turns with the position; even.")
            @Default("64")
            @Range(min = 2)
            int qkRopeHeadDim,

            @Doc("The width of a head's values.") @Default("128") @Range(min = 1)
            int vHeadDim)
            implements AttentionPart {
        @Override
        public int keyValueHeads(int heads, Integer written) {
            if (written != null) {
                throw new IllegalArgumentException(
                        "num_key_value_heads: %d, but attention: mla shares a latent vector and no heads; leave it out"
                                .formatted(written));
            }
            return heads;
        }

        @Override
        public boolean takesHeadDim() {
            return false;
        }

        @Override
        public int rotaryHeadWidth(Composition c) {
            return qkRopeHeadDim;
        }

        @Override
        public int scoredWidth(Composition c) {
            return qkNopeHeadDim + qkRopeHeadDim;
        }

        @Override
        public void check(Composition c) {
            Parts parts = c.parts();
            if (!(parts.position() instanceof Rotary.Config rotary) || rotary.partialRotaryFactor() != 1) {
                throw new IllegalArgumentException(
                        "attention: mla has a part of each head for rotary positions, all of which turns; set position: rotary, without a partial_rotary_factor");
            }
            if (!parts.patterns().stream().allMatch(FullPattern.Config.class::isInstance)) {
                throw new IllegalArgumentException(
                        "attention: mla looks at everything; set attention_pattern: full, or choose mha, gqa or mqa");
            }
            if (!(parts.recurrence() instanceof NoRecurrence.Config)) {
                throw new IllegalArgumentException(
                        "attention: mla keeps latent vectors of the past and no memory; set recurrence: none");
            }
            if (c.qkNorm() || c.attentionSinks() || c.attnLogitSoftcapping().isPresent() || c.attentionBias()) {
                throw new IllegalArgumentException("%s: attention: mla has none; leave it out"
                        .formatted(
                                c.qkNorm()
                                        ? "qk_norm"
                                        : c.attentionSinks()
                                                ? "attention_sinks"
                                                : c.attentionBias() ? "attention_bias" : "attn_logit_softcapping"));
            }
            if (c.hasEncoder()) {
                throw new IllegalArgumentException(
                        "attention: mla is for one stack, as attention to an encoder has heads of another width; choose mha, gqa or mqa");
            }
        }

        @Override
        public Branch branch(BlockSite site) {
            Assembly a = site.assembly();
            Composition c = site.config();
            String name = site.name() + ".self_attn";
            int d = c.hiddenSize();
            int heads = c.numAttentionHeads();
            int width = scoredWidth(c);
            long queries = (long) heads * width;
            Rotary.Config rotary = (Rotary.Config) a.parts().position();
            return new LatentAttention(
                    site.name(),
                    site.layer(),
                    new LatentAttention.Shape(
                            heads,
                            qkNopeHeadDim,
                            qkRopeHeadDim,
                            vHeadDim,
                            kvLoraRank,
                            a.parts().initialization().attentionScale(width, c),
                            c.attentionDropout()),
                    qLoraRank
                            .<LatentAttention.Queries>map(rank -> new LatentAttention.Queries.Compressed(
                                    a.linear(Role.OTHER, name + ".q_a_proj", d, rank, false),
                                    a.norm(name + ".q_a_layernorm", rank),
                                    a.linear(Role.QUERY, name + ".q_b_proj", rank, queries, false)))
                            .orElseGet(() -> new LatentAttention.Queries.Direct(
                                    a.linear(Role.QUERY, name + ".q_proj", d, queries, false))),
                    new LatentAttention.KeysValues(
                            a.linear(
                                    Role.OTHER,
                                    name + ".kv_a_proj_with_mqa",
                                    d,
                                    (long) kvLoraRank + qkRopeHeadDim,
                                    false),
                            a.norm(name + ".kv_a_layernorm", kvLoraRank),
                            a.linear(
                                    Role.KEY,
                                    name + ".kv_b_proj",
                                    kvLoraRank,
                                    (long) heads * (qkNopeHeadDim + vHeadDim),
                                    false)),
                    a.linear(Role.RESIDUAL, name + ".o_proj", (long) heads * vHeadDim, d, false),
                    rotary.pairing() == Rotary.Pairing.NEIGHBOURS
                            ? quern.nn.Rotary.Pairing.NEIGHBOURS
                            : quern.nn.Rotary.Pairing.HALVES);
        }
    }
}
