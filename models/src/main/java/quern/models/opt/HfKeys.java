package quern.models.opt;

import quern.models.CheckpointKeys;

/** OPT's names, the same in memory and in files. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "model.";
    }
}
