package quern.models;

/** The names of decoders laid out as Llama, the same in memory and in files. */
public class RotaryDecoderKeys implements CheckpointKeys {
    @Override
    public final String basePrefix() {
        return "model.";
    }

    @Override
    public final boolean isBuffer(String diskName) {
        return diskName.endsWith("rotary_emb.inv_freq");
    }
}
