package quern.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import quern.data.BatchSource;
import quern.data.DataConfig;
import quern.data.Objective;
import quern.data.SpecialToken;
import quern.data.TokenStore;
import quern.data.Tokenizer;
import quern.data.order.Curriculum;
import quern.data.order.Mixing;
import quern.data.order.OrderedBatches;
import quern.data.order.RowOrder;
import quern.data.order.Shares;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.Techniques;

/**
 * The mixing and the curriculum that a recipe asks for, with the batches they make.
 *
 * @param batches the batches
 * @param reference the folder of the model whose losses the mixing needs
 * @param mixing the id of the mixing; empty with one corpus
 */
record RowOrdering(OrderedBatches batches, Optional<Path> reference, Optional<String> mixing) {
    /** Steps whose rows are counted for a notice. */
    private static final long MOST_COUNTED = 100_000;

    /** Whether a recipe's data has either. */
    static boolean wanted(DataConfig data) {
        return !data.sources().isEmpty() || data.curriculum().isPresent();
    }

    /**
     * Makes the batches.
     *
     * @param stores of the corpora, in their order
     */
    static RowOrdering of(
            Recipe recipe,
            DataConfig data,
            List<TokenStore> stores,
            Tokenizer tokenizer,
            Objective objective,
            Record objectiveConfig,
            StepBatches steps) {
        String key = data.sources().isEmpty() ? "curriculum" : "sources";
        if (!objective.dividesBatches()) {
            throw QuernException.badInput(
                    "%s: data.%s: puts rows together one by one, but objective %s judges the rows of a batch together; choose another objective, or leave it out",
                    recipe.data().position(key), key, objective.id());
        }
        List<OrderedBatches.Corpus> corpora = new ArrayList<>();
        for (int i = 0; i < stores.size(); i++) {
            // Corpora of one text must not be in step with each other.
            long seed = recipe.seed() + 31L * i;
            BatchSource rows = objective.source(
                    new Objective.Input(stores.get(i).train(), tokenizer, data, 1, seed), objectiveConfig);
            String name =
                    data.sources().isEmpty() ? "data" : data.sources().get(i).name();
            corpora.add(new OrderedBatches.Corpus(
                    name, rows, order(data, stores.get(i).train().origin(), rows, tokenizer, seed)));
        }
        Block chosen = data.mixing()
                .orElseGet(() -> Block.empty(recipe.data().position("sources")).with("type", "fixed"));
        Mixing mixing = Techniques.find(Mixing.class, Mixing.KIND, chosen.text("type"), chosen.position("type"));
        Record config = chosen.without("type").bind(mixing.config());
        Shares shares = data.sources().isEmpty()
                ? step -> new double[] {1}
                : mixing.open(
                        new Mixing.Corpora(
                                corpora.stream()
                                        .map(OrderedBatches.Corpus::name)
                                        .toList(),
                                weights(recipe, data, stores),
                                (long) recipe.perDeviceTrainBatchSize() * recipe.gradientAccumulationSteps()),
                        config);
        OrderedBatches batches = new OrderedBatches(
                corpora,
                shares,
                steps,
                recipe.perDeviceTrainBatchSize(),
                tokenizer.special(SpecialToken.PAD_TOKEN).orElse(0));
        if (batches.learns() && objective instanceof TrainedObjective) {
            throw QuernException.badInput(
                    "%s: data.%s: learns from the losses of rows, which objective %s does not have one by one; choose another kind, or another objective",
                    recipe.data().position(key), key, objective.id());
        }
        return new RowOrdering(
                batches,
                data.sources().isEmpty() ? Optional.empty() : mixing.reference(config),
                data.sources().isEmpty() ? Optional.empty() : Optional.of(mixing.id()));
    }

    private static RowOrder order(DataConfig data, String origin, BatchSource rows, Tokenizer tokenizer, long seed) {
        if (data.curriculum().isEmpty()) {
            return null;
        }
        Block chosen = data.curriculum().get();
        Curriculum curriculum =
                Techniques.find(Curriculum.class, Curriculum.KIND, chosen.text("type"), chosen.position("type"));
        return curriculum.open(
                new Curriculum.Rows(origin, rows, tokenizer, seed, ModelLossScorer::open),
                chosen.without("type").bind(curriculum.config()));
    }

    /** Those of the recipe, or the tokens where it gives none. */
    private static double[] weights(Recipe recipe, DataConfig data, List<TokenStore> stores) {
        long given = data.sources().stream().filter(s -> s.weight().isPresent()).count();
        if (given != 0 && given != stores.size()) {
            throw QuernException.badInput(
                    "%s: data.sources: %d of %d have a weight; give all of them one, or none to go by their tokens",
                    recipe.data().position("sources"), given, stores.size());
        }
        return IntStream.range(0, stores.size())
                .mapToDouble(i -> data.sources().get(i).weight().orElse((double)
                        stores.get(i).train().size()))
                .toArray();
    }

    /** What a person should know: how many rows of each corpus the training meets. */
    List<String> notices(long maxSteps) {
        List<String> all = new ArrayList<>(batches.notices());
        if (mixing.isEmpty()) {
            return all;
        }
        // A long training's shares are those of a long part of it.
        long counted = Math.min(maxSteps, MOST_COUNTED);
        Map<String, long[]> expected = batches.expected(counted);
        long met = expected.values().stream().mapToLong(rows -> rows[1]).sum();
        double scale = (double) maxSteps / counted;
        all.add("mixing %s%s: %s"
                .formatted(
                        mixing.get(),
                        batches.learns() ? " (as it begins)" : "",
                        expected.entrySet().stream()
                                .map(e -> "%s %.1f%%, %,.0f rows of %,d (%.2f epochs)"
                                        .formatted(
                                                e.getKey(),
                                                100.0 * e.getValue()[1] / met,
                                                scale * e.getValue()[1],
                                                e.getValue()[0],
                                                scale * e.getValue()[1] / e.getValue()[0]))
                                .collect(Collectors.joining("; "))));
        return all;
    }
}
