package quern.models;

import java.util.List;
import java.util.Map;
import quern.nn.Network;
import quern.recipe.Technique;

/**
 * A family of language models: what Hugging Face calls a {@code model_type}. The id is that type, the {@link #config()}
 * record holds its settings, and {@link #build} lists the segments.
 *
 * @param <C> the family's settings
 */
public interface ModelFamily<C extends Record & ModelConfig> extends Technique {
    /** The technique kind of all families. */
    String KIND = "model";

    @Override
    default String kind() {
        return KIND;
    }

    @Override
    Class<C> config();

    /** The class names that may stand under {@code architectures} in {@code config.json}; the first is written. */
    List<String> architectures();

    /** Other names of settings and the ones they stand for, as Hugging Face accepts them. */
    default Map<String, String> aliases() {
        return Map.of();
    }

    /**
     * The settings in the present spelling, from keys and values as a file or a recipe has them; the map is the
     * family's to change. For spellings that came and went and defaults that depend on other settings.
     *
     * @param where the file or the place in the recipe, for messages
     */
    default void normalise(Map<String, Object> settings, String where) {}

    /** As {@link #normalise}, but only for new models, whose recipe may leave out more than a file does. */
    default void completeRecipe(Map<String, Object> settings) {}

    /** How the parameters lie in a checkpoint. */
    CheckpointKeys keys();

    /** The network of these settings, with the parameters that {@code weights} gives. */
    Network build(C config, Weights weights);
}
