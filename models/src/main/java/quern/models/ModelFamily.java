package quern.models;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.nn.Segment;
import quern.recipe.Technique;

/**
 * A family of language models: what Hugging Face calls a {@code model_type}. The id is that type, the {@link #config()}
 * record holds its settings, {@link #architectures} its classes and their tasks. A model is the segments of its {@link
 * #body}, which end in {@code hidden_states} [B, T, D], and those of the {@link #head} for its task. Families that read
 * from left to right implement {@link DecoderFamily}, which has the heads.
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

    /** What {@code model_type} in {@code config.json} is. */
    default String modelType() {
        return id();
    }

    /** The classes that may stand under {@code architectures} in {@code config.json}, and what each is for. */
    Architectures architectures();

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

    /**
     * What keys that a {@code config.json} may leave out are then, for those whose {@code null} means something else.
     * Recipes know them not.
     */
    default Map<String, Object> fileDefaults() {
        return Map.of();
    }

    /**
     * Puts the ids of a tokenizer's special tokens into a new model's settings, where they aren't written.
     *
     * @param ids by the keys of {@code config.json}, {@code null} where there is no such token. Those that are settings of
     *     the family are put there already
     */
    default void completeTokens(Map<String, Object> settings, Map<String, Object> ids) {}

    /** How the parameters lie in a checkpoint. */
    CheckpointKeys keys();

    /**
     * The segments up to the last {@code hidden_states}. Parameters are asked for by the names that they have in the
     * classes with the family's {@link CheckpointKeys#basePrefix}; where a class has another prefix, {@code weights}
     * exchanges it.
     *
     * @param task for the few parts that are there for some tasks only
     */
    List<Segment> body(C config, Weights weights, Task task);

    /**
     * The model of another family that computes the same as one of these settings, where there is one that more tools know.
     */
    default Optional<KnownForm> knownForm(C config, Task task) {
        return Optional.empty();
    }

    /** The segments after the body for a task of {@link #architectures}: none for {@link Task#MODEL}. */
    List<Segment> head(C config, Weights weights, HeadSettings settings);
}
