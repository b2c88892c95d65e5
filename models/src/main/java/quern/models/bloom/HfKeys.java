package quern.models.bloom;

import quern.models.CheckpointKeys;

/** BLOOM's names, the same in memory and in files. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "transformer.";
    }
}
