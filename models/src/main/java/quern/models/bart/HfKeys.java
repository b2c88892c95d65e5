package quern.models.bart;

import quern.models.CheckpointKeys;

/** BART's names, the same in memory and in files. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "model.";
    }

    /** {@inheritDoc} Files converted from fairseq's carry version numbers. */
    @Override
    public boolean isBuffer(String diskName) {
        return diskName.endsWith("encoder.version") || diskName.endsWith("decoder.version");
    }
}
