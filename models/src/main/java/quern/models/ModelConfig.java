package quern.models;

import quern.nn.Activation;
import quern.recipe.QuernException;

/**
 * What every family's settings answer. A family's {@code Config} is a record that implements this; its components,
 * in snake case, are the keys of {@code config.json} and of a recipe's {@code model} block, with Hugging Face's names,
 * defaults and meaning.
 */
public interface ModelConfig {
    /** The number of tokens the model knows. */
    int vocabSize();

    /** The width of the residual stream. */
    int width();

    /** The width of what the body gives to a head. */
    default int outputWidth() {
        return width();
    }

    /** The number of blocks. */
    int layers();

    /** The most positions the model was made for. */
    int contextLength();

    /** The most tokens of a row in training; a model with memories reads longer texts in several. */
    default int longestPass() {
        return contextLength();
    }

    /** What a row of whole documents in training has to be a multiple of tokens of, where a memory compresses them. */
    default int passMultiple() {
        return 1;
    }

    /** Refuses an activation that Quern doesn't have, in the form that names the key's place. */
    static void checkActivation(String key, String name) {
        try {
            Activation.of(name, key);
        } catch (QuernException unknown) {
            throw new IllegalArgumentException(unknown.getMessage(), unknown);
        }
    }
}
