package quern.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import quern.data.BatchSource;
import quern.data.DataConfig;
import quern.data.Objective;
import quern.data.OnTooLong;
import quern.data.SpecialToken;
import quern.data.TokenStore;
import quern.data.Tokenizer;
import quern.data.augment.AugmentedText;
import quern.data.order.ChangingRows;
import quern.data.order.Curriculum;
import quern.data.order.Mixing;
import quern.data.order.OrderedBatches;
import quern.data.order.RowOrder;
import quern.data.order.Shares;
import quern.recipe.Block;
import quern.recipe.Position;
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
            StepBatches steps,
            Optional<AugmentedText> augmentation) {
        String key = data.sources().isEmpty() ? "curriculum" : "sources";
        if (!objective.dividesBatches()) {
            throw QuernException.badInput(
                    "%s: data.%s: puts rows together one by one, but objective %s judges the rows of a batch together; choose another objective, or leave it out",
                    recipe.data().position(key), key, objective.id());
        }
        augmentation.ifPresent(text ->
                checkAugmentation(recipe, data, stores, text, objective.onTooLong(data, false, objectiveConfig)));
        List<OrderedBatches.Corpus> corpora = new ArrayList<>();
        for (int i = 0; i < stores.size(); i++) {
            // Corpora of one text must not be in step with each other.
            long seed = recipe.seed() + 31L * i;
            Objective.Input input = new Objective.Input(
                    stores.get(i).train(), tokenizer, data.parts().get(i), 1, seed);
            BatchSource plain = objective.source(input, objectiveConfig);
            String name =
                    data.sources().isEmpty() ? "data" : data.sources().get(i).name();
            // The order is that of the plain text's rows.
            RowOrder order = order(data, stores.get(i).train().origin(), plain, tokenizer, seed);
            if (augmentation.isEmpty()) {
                corpora.add(new OrderedBatches.Corpus(name, plain, order));
                continue;
            }
            Function<Objective.Input, BatchSource> arrange = text -> objective.source(text, objectiveConfig);
            Position where = recipe.data().position("augment");
            corpora.add(
                    order == null
                            ? new OrderedBatches.Corpus(name, augmentation.get().batches(input, arrange, where), null)
                            : new OrderedBatches.Corpus(
                                    name,
                                    augmentation.get().keepingPlaces(input, arrange, where),
                                    new ChangingRows(order, plain.batchesPerEpoch())));
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

    /** A row that has a place in an order must be the same documents in every epoch. */
    private static void checkAugmentation(
            Recipe recipe, DataConfig data, List<TokenStore> stores, AugmentedText text, Set<OnTooLong> answers) {
        text.checkSize(
                stores.stream().mapToLong(store -> store.train().size()).sum(),
                recipe.data().position("augment"));
        boolean documents = answers.contains(data.onTooLong())
                && (data.onTooLong() == OnTooLong.TRUNCATE || data.onTooLong() == OnTooLong.ERROR);
        if (data.curriculum().isPresent() && !documents) {
            throw QuernException.badInput(
                    "%s: data.augment: a curriculum orders rows, and where a row is not one whole document it is another one when the text changes; set packing: false with an objective that reads documents and leave data.on_too_long out, or leave out augment or curriculum",
                    recipe.data().position("augment"));
        }
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
