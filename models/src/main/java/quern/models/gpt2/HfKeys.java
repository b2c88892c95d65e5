package quern.models.gpt2;

import quern.models.CheckpointKeys;

/** GPT-2's names: the matrices of its blocks lie [in, out], and its first checkpoints have no prefix and a mask buffer. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "transformer.";
    }

    @Override
    public boolean isTransposed(String name) {
        return name.endsWith("c_attn.weight") || name.endsWith("c_proj.weight") || name.endsWith("c_fc.weight");
    }

    @Override
    public boolean isBuffer(String diskName) {
        return diskName.endsWith(".attn.bias") || diskName.endsWith(".attn.masked_bias");
    }
}
