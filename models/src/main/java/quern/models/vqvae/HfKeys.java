package quern.models.vqvae;

import quern.models.CheckpointKeys;

/** The names, the same in memory and in files and without a prefix. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "";
    }
}
