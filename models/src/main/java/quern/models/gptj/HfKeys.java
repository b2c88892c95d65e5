package quern.models.gptj;

import quern.models.CheckpointKeys;

/** GPT-J's names; older checkpoints hold causal masks and position tables as buffers. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "transformer.";
    }

    @Override
    public boolean isBuffer(String diskName) {
        return diskName.endsWith(".attn.bias")
                || diskName.endsWith(".attn.masked_bias")
                || diskName.endsWith(".attn.embed_positions");
    }
}
