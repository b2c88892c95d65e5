package quern.models.falcon;

import quern.models.CheckpointKeys;

/** Falcon's names; older checkpoints hold rotary frequencies as buffers. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "transformer.";
    }

    @Override
    public boolean isBuffer(String diskName) {
        return diskName.endsWith(".inv_freq");
    }
}
