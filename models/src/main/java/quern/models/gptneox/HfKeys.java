package quern.models.gptneox;

import quern.models.CheckpointKeys;

/** GPT-NeoX's names: the head is called otherwise in files, and older ones hold masks and frequencies as buffers. */
final class HfKeys implements CheckpointKeys {
    @Override
    public String basePrefix() {
        return "gpt_neox.";
    }

    @Override
    public String onDisk(String name) {
        return name.equals("lm_head.weight") ? "embed_out.weight" : name;
    }

    @Override
    public boolean isBuffer(String diskName) {
        return diskName.endsWith(".attention.bias")
                || diskName.endsWith(".attention.masked_bias")
                || diskName.endsWith(".rotary_emb.inv_freq");
    }
}
