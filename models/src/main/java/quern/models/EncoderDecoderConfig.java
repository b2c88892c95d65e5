package quern.models;

/** What the settings of a family with an encoder and a decoder answer beside what all do. */
public interface EncoderDecoderConfig extends ModelConfig {
    /** The first token that the decoder reads. */
    int decoderStart();

    /** The token that the decoder reads in place of a label that isn't counted. */
    int padding();
}
