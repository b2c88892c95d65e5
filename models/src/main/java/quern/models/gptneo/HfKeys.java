package quern.models.gptneo;

import quern.models.CheckpointKeys;

/** GPT-Neo's names; older checkpoints hold causal masks as buffers. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "transformer.";
    }

    @Override
    public boolean isBuffer(String diskName) {
        return diskName.endsWith(".attn.attention.bias") || diskName.endsWith(".attn.attention.masked_bias");
    }
}
