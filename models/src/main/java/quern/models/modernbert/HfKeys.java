package quern.models.modernbert;

import quern.models.CheckpointKeys;

/** ModernBERT's names, the same in memory and in files. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "model.";
    }

    @Override
    public boolean isBuffer(String diskName) {
        // Parts of the head for hidden tokens, which files of the body carry along.
        return diskName.startsWith("head.") || diskName.startsWith("decoder.") || diskName.endsWith("inv_freq");
    }
}
