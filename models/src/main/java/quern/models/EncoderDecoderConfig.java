package quern.models;

import java.util.Optional;

/** What the settings of a family with an encoder and a decoder answer beside what all do. */
public interface EncoderDecoderConfig extends ModelConfig {
    /** The first token that the decoder reads. */
    int decoderStart();

    /** The token that the decoder reads in place of a label that isn't counted. */
    int padding();

    /** Whether this very model has an encoder beside its decoder; in most families all have. */
    default boolean hasEncoder() {
        return true;
    }

    /** The settings of a model with an encoder beside its decoder; empty for any other. */
    static Optional<EncoderDecoderConfig> of(ModelConfig config) {
        return config instanceof EncoderDecoderConfig c && c.hasEncoder() ? Optional.of(c) : Optional.empty();
    }
}
