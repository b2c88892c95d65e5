package quern.models.part.attention;

import quern.models.part.AttentionPart;
import quern.models.part.BlockSite;
import quern.models.part.PartTechnique;
import quern.nn.Branch;

/** Multi-query attention (Shazeer 2019, arXiv:1911.02150): all heads share keys and values. */
public final class MultiQuery implements PartTechnique {
    @Override
    public String kind() {
        return AttentionPart.KIND;
    }

    @Override
    public String id() {
        return "mqa";
    }

    @Override
    public String summary() {
        return "Multi-query attention: one set of keys and values for all heads";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements AttentionPart {
        @Override
        public int keyValueHeads(int heads, Integer written) {
            if (written != null && written != 1) {
                throw new IllegalArgumentException(
                        "num_key_value_heads: %d, but in attention: mqa all heads share one; leave it out, or choose gqa"
                                .formatted(written));
            }
            return 1;
        }

        @Override
        public Branch branch(BlockSite site) {
            return HeadAttention.of(site);
        }
    }
}
