package quern.models.part.attention;

import quern.models.ConfigChecks;
import quern.models.part.AttentionPart;
import quern.models.part.BlockSite;
import quern.models.part.PartTechnique;
import quern.nn.Branch;

/** Grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245): groups of neighbouring heads share keys and values. */
public final class GroupedQuery implements PartTechnique {
    @Override
    public String kind() {
        return AttentionPart.KIND;
    }

    @Override
    public String id() {
        return "gqa";
    }

    @Override
    public String summary() {
        return "Grouped-query attention: neighbouring heads share keys and values";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings beside the model's {@code num_key_value_heads}. */
    public record Config() implements AttentionPart {
        @Override
        public int keyValueHeads(int heads, Integer written) {
            if (written == null) {
                throw new IllegalArgumentException(
                        "num_key_value_heads: missing; attention: gqa needs the number of its groups, a divisor of num_attention_heads %d"
                                .formatted(heads));
            }
            ConfigChecks.keyValueHeads("num_key_value_heads", written, "num_attention_heads", heads);
            return written;
        }

        @Override
        public Branch branch(BlockSite site) {
            return HeadAttention.of(site);
        }
    }
}
