package quern.train;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import quern.models.ModelCard;
import quern.recipe.Recipe;

/** What the model card of a run's checkpoints says of its training. */
final class RunCard {
    private RunCard() {}

    /**
     * The card of a model as it is now.
     *
     * @param folder of the run, whose name is the model's
     * @param evaluation the last evaluation's metrics
     */
    static ModelCard of(Path folder, Preparation preparation, TrainerState state, Map<String, Double> evaluation) {
        Recipe recipe = preparation.recipe();
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("Steps", "%d of %d".formatted(state.step, preparation.maxSteps()));
        facts.put("Tokens seen", "%,d".formatted(state.tokens));
        facts.put("Precision", recipe.precision().name().toLowerCase(Locale.ROOT));
        facts.put(
                "Optimizer",
                "%s, learning rate %s, %s schedule"
                        .formatted(
                                String.join(" and ", recipe.optimizers()),
                                recipe.learningRate(),
                                recipe.lrSchedulerType()));
        facts.put(
                "Training text",
                "%,d tokens".formatted(preparation.store().train().size()));
        preparation
                .batches()
                .tooLong()
                .filter(t -> t.count() > 0)
                .ifPresent(t -> facts.put(
                        "Documents longer than a row",
                        "%,d of %,d: %,d left out, %,d cut, %,d split"
                                .formatted(t.count(), t.documents(), t.dropped(), t.truncated(), t.split())));
        evaluation.forEach((name, value) -> {
            if (name.startsWith("eval_") && !name.equals("eval_runtime")) {
                facts.put(name, "%.4f".formatted(value));
            }
        });
        Path name = folder.getFileName();
        return new ModelCard(name == null ? "model" : name.toString(), "", facts);
    }
}
