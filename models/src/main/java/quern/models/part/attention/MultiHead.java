package quern.models.part.attention;

import quern.models.part.AttentionPart;
import quern.models.part.BlockSite;
import quern.models.part.PartTechnique;
import quern.nn.Branch;

/** Multi-head attention (Vaswani et al. 2017, arXiv:1706.03762): each head has keys and values of its own. */
public final class MultiHead implements PartTechnique {
    @Override
    public String kind() {
        return AttentionPart.KIND;
    }

    @Override
    public String id() {
        return "mha";
    }

    @Override
    public String summary() {
        return "Multi-head attention: keys and values for each head";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements AttentionPart {
        @Override
        public int keyValueHeads(int heads, Integer written) {
            if (written != null && written != heads) {
                throw new IllegalArgumentException(
                        "num_key_value_heads: %d, but in attention: mha each of the %d heads has its own; leave it out, or choose gqa"
                                .formatted(written, heads));
            }
            return heads;
        }

        @Override
        public Branch branch(BlockSite site) {
            return HeadAttention.of(site);
        }
    }
}
