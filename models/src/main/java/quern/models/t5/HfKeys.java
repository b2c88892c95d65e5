package quern.models.t5;

import quern.models.CheckpointKeys;

/** T5's names, the same in memory and in files and without a prefix. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "";
    }

    /** {@inheritDoc} The first files of T5 hold biases for attention to the source, which never were used. */
    @Override
    public boolean isBuffer(String diskName) {
        return diskName.equals("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight");
    }
}
