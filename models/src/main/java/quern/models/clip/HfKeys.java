package quern.models.clip;

import quern.models.CheckpointKeys;

/** CLIP's names, the same in memory and in files and without a prefix. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "";
    }

    /** {@inheritDoc} Older files hold the numbers of the positions. */
    @Override
    public boolean isBuffer(String diskName) {
        return diskName.endsWith("embeddings.position_ids");
    }
}
