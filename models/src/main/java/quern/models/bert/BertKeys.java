package quern.models.bert;

import java.util.List;
import quern.models.CheckpointKeys;

/**
 * BERT's names, the same in memory and in files. Files converted from its first release call a norm's parameters gamma and
 * beta; files of one head often carry another's parameters along.
 */
public final class BertKeys implements CheckpointKeys {
    private final String prefix;

    /** The keys of a family whose body is called {@code family}. */
    public BertKeys(String family) {
        this.prefix = family + ".";
    }

    @Override
    public String basePrefix() {
        return prefix;
    }

    @Override
    public List<String> olderNames(String diskName) {
        if (diskName.endsWith("LayerNorm.weight")) {
            return List.of(diskName.replace("LayerNorm.weight", "LayerNorm.gamma"));
        }
        return diskName.endsWith("LayerNorm.bias")
                ? List.of(diskName.replace("LayerNorm.bias", "LayerNorm.beta"))
                : List.of();
    }

    @Override
    public boolean isBuffer(String diskName) {
        return diskName.endsWith("embeddings.position_ids")
                || diskName.endsWith("embeddings.token_type_ids")
                || diskName.startsWith("cls.")
                || diskName.startsWith("lm_head.")
                || diskName.startsWith(prefix + "pooler.");
    }
}
