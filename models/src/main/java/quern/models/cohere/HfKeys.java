package quern.models.cohere;

import quern.models.CheckpointKeys;

/** Cohere's names, the same in memory and in files. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "model.";
    }

    @Override
    public boolean isBuffer(String diskName) {
        return diskName.endsWith("rotary_emb.inv_freq");
    }
}
