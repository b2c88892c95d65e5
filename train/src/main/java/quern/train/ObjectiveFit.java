package quern.train;

import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import quern.data.DataConfig;
import quern.data.Objective;
import quern.data.OnTooLong;
import quern.models.ModelSpec;
import quern.models.Task;
import quern.models.part.position.Learned2d;
import quern.nn.Network;
import quern.nn.Positions;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.Recipe;

/** Whether the objective of a recipe fits its model and the other options; what doesn't is bad input. */
record ObjectiveFit(Block block, Recipe recipe, Objective objective) {
    /** What the model reads beside tokens, against what the objective's batches give. */
    void checkModel(Network network) {
        checkPrefixes(network);
        checkBlockPositions(network);
    }

    /** A model that sees prefixes whole learns from batches that say where they end, and no other does. */
    private void checkPrefixes(Network network) {
        boolean reads = network.segments().stream()
                .anyMatch(s -> s instanceof Positions positions && positions.readsPrefixes());
        if (reads != objective.givesPrefixes()) {
            throw QuernException.badInput(
                    reads
                            ? "%s: objective %s names no prefixes, but the model sees them whole; choose objective: prefix_lm, or structure: decoder"
                            : "%s: objective %s names prefixes, but the model would not see them whole; choose structure: prefix_lm of family custom, or objective: causal_lm",
                    recipe.objective().position("type"),
                    objective.id());
        }
    }

    /** A model with positions inside spans learns from batches that have spans, and no other does. */
    private void checkBlockPositions(Network network) {
        boolean reads =
                network.segments().stream().anyMatch(s -> s.readsIfPresent().contains(Learned2d.BLOCKS));
        if (reads != objective.givesBlockPositions()) {
            throw QuernException.badInput(
                    reads
                            ? "%s: objective %s fills in no spans, but the model has positions inside them; choose objective: blank_infilling, or position: learned"
                            : "%s: objective %s fills in spans, but the model knows no positions inside them; choose position: learned_2d of family custom, or objective: prefix_lm",
                    recipe.objective().position("type"),
                    objective.id());
        }
    }

    /**
     * What is asked of a training whose model has another task than writing, or which is judged in another way.
     *
     * @param ownEvaluation whether the objective has batches of its own to be judged by
     */
    void checkUse(Task task, boolean ownEvaluation) {
        if (recipe.sampleSteps() > 0 && task != Task.CAUSAL_LM) {
            throw QuernException.badInput(
                    "%s: sample_steps: a model trained by objective %s writes no text; leave it out",
                    block.position("sample_steps"), objective.id());
        }
        if (ownEvaluation && recipe.metricForBestModel().equals(ValidationLoss.BITS_PER_BYTE)) {
            throw QuernException.badInput(
                    "%s: metric_for_best_model: objective %s does not predict the whole text, so there is no %s; use eval_loss",
                    block.position("metric_for_best_model"), objective.id(), ValidationLoss.BITS_PER_BYTE);
        }
    }

    /** Of a model with memories, whose rows go on from batch to batch. */
    void checkLanes(DataConfig data, ModelSpec spec) {
        if (!objective.readsLanes()) {
            throw QuernException.badInput(
                    "%s: objective %s has no rows that go on from batch to batch, which a model with recurrence needs; use objective: causal_lm",
                    recipe.objective().position("type"), objective.id());
        }
        if (RowOrdering.wanted(data)) {
            String key = data.sources().isEmpty() ? "curriculum" : "sources";
            throw QuernException.badInput(
                    "%s: data.%s: chooses rows one by one, but the rows of a model with recurrence go on from batch to batch; leave it out",
                    recipe.data().position(key), key);
        }
        int multiple = spec.config().passMultiple();
        if (!data.packing() && data.maxLength() % multiple != 0) {
            throw QuernException.badInput(
                    "%s: max_length: %d is no multiple of compression_rate %d, so a document that begins beside others would be compressed out of step; change one, or set packing: true",
                    recipe.data().position("max_length"), data.maxLength(), multiple);
        }
        refuseDividing(
                "%s: %s: divides batches, but the rows of a model with recurrence go on from batch to batch together; leave it out");
    }

    /** What is to become of documents that are longer than a row, where the recipe says so. */
    void checkTooLong(DataConfig data, boolean prompts, boolean lanes, Record config) {
        if (!recipe.data().has("on_too_long")) {
            return;
        }
        Set<OnTooLong> answers = lanes ? Set.of() : objective.onTooLong(data, prompts, config);
        if (answers.isEmpty()) {
            throw QuernException.badInput(
                    "%s: data.on_too_long: has no effect, since a row is no whole document here; leave it out, or give instruction rows or packing: false",
                    recipe.data().position("on_too_long"));
        }
        if (!answers.contains(data.onTooLong())) {
            throw QuernException.badInput(
                    "%s: data.on_too_long: %s can't be the answer with objective %s; choose one of %s",
                    recipe.data().position("on_too_long"),
                    name(data.onTooLong()),
                    objective.id(),
                    answers.stream().map(ObjectiveFit::name).collect(Collectors.joining(", ")));
        }
    }

    private static String name(OnTooLong answer) {
        return answer.name().toLowerCase(Locale.ROOT);
    }

    /** What the steps of a training do to batches, against what the objective's bear. */
    void checkBatches() {
        if (objective.dividesBatches()) {
            return;
        }
        refuseDividing(
                "%%s: %%s: divides batches, which objective %s can't bear, since it judges the rows of a batch together; leave it out"
                        .formatted(objective.id()));
    }

    /** @param message with room for the place and the key of what divides batches */
    private void refuseDividing(String message) {
        String divides = recipe.autoFindBatchSize()
                ? "auto_find_batch_size"
                : recipe.gradientNoiseScale().isPresent() ? "gradient_noise_scale" : null;
        if (divides != null) {
            throw QuernException.badInput(message, block.position(divides), divides);
        }
    }
}
