package quern.search;

import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.RecipeFile;
import quern.recipe.TechniqueId;
import quern.recipe.Techniques;

/**
 * An arm on a certain recipe. Where it chooses another technique than the recipe does, the settings that the recipe made
 * for its own technique go with that: {@code optim_args} and the four top-level keys that only some optimizers read, {@code
 * lr_scheduler_kwargs}. Whatever is left out is told, and stands among the arm's settings as {@code key=null}.
 */
final class ArmRecipe {
    private ArmRecipe() {}

    /** The arm with all that it changes in this recipe; failures name the arm. */
    static Arm of(Block recipe, Arm arm, Consumer<String> notes) {
        try {
            return resolve(recipe, arm, notes);
        } catch (QuernException e) {
            throw named(arm, e);
        }
    }

    /** A failure with the arm's name before its message. */
    static QuernException named(Arm arm, QuernException e) {
        return new QuernException(e.exitCode(), "arm '%s': %s".formatted(arm.name(), e.getMessage()), e);
    }

    private static Arm resolve(Block recipe, Arm arm, Consumer<String> notes) {
        Block changed = RecipeFile.changed(recipe, arm.settings());
        List<String> left = new ArrayList<>();
        for (RecordComponent component : Recipe.class.getRecordComponents()) {
            TechniqueId technique = component.getAnnotation(TechniqueId.class);
            if (technique == null) {
                continue;
            }
            String key = Block.key(component);
            String settings = technique.settings();
            if (!chosen(recipe, key, component).equals(chosen(changed, key, component))
                    && recipe.has(settings)
                    && changed.has(settings)) {
                left.add(settings);
            }
        }
        String optimizer = changed.has("optim") ? changed.text("optim") : "";
        if (!optimizer.isEmpty()
                && !(recipe.has("optim") && recipe.text("optim").equals(optimizer))) {
            OptimizerTechnique technique = Techniques.find(
                    OptimizerTechnique.class, OptimizerTechnique.KIND, optimizer, changed.position("optim"));
            for (String key : OptimizerSettings.KEYS) {
                if (recipe.has(key)
                        && !technique.settings().contains(key)
                        && changed.toMap().containsKey(key)
                        && changed.toMap().get(key).equals(recipe.toMap().get(key))) {
                    left.add(key);
                }
            }
        }
        if (left.isEmpty()) {
            return arm;
        }
        notes.accept("arm '%s' leaves out %s, which the recipe sets for what this arm does not use"
                .formatted(arm.name(), String.join(", ", left)));
        List<String> all =
                new ArrayList<>(left.stream().map(key -> key + "=null").toList());
        all.addAll(arm.settings());
        return new Arm(arm.name(), all);
    }

    private static String chosen(Block recipe, String key, RecordComponent component) {
        return recipe.has(key)
                ? recipe.text(key)
                : Optional.ofNullable(component.getAnnotation(Default.class))
                        .map(Default::value)
                        .orElse("");
    }
}
