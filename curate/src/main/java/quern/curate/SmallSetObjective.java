package quern.curate;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.CausalLm;
import quern.data.DataConfig;
import quern.data.EpochOrder;
import quern.data.OnTooLong;
import quern.data.TooLong;
import quern.nn.LanguageModelHead;
import quern.nn.Segment;
import quern.nn.TokenEmbedding;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.tensor.RandomStreams;
import quern.train.TrainedObjective;

/**
 * Next-token prediction on a few rows only: a {@link SmallSet} of {@code quern data distill}, or as many rows of the text, drawn
 * by the run's seed. Each epoch visits them in another seeded order. A model is judged by the whole held-out text, as with
 * {@code causal_lm}.
 *
 * <p>Learnt rows are vectors beside a certain table of token vectors, so a model that learns from them begins with that table,
 * and keeps it: no row reads it, and the head must have a matrix of its own.
 */
public final class SmallSetObjective implements TrainedObjective {
    /**
     * @param path the folder of a small set
     * @param randomRows rows of the text instead
     */
    public record Config(
            @Doc("The folder of a small set, as quern data distill leaves them.")
            Optional<Path> path,

            @Doc("Instead of a folder, as many rows of the text, drawn by the run's seed.") @Range(min = 1)
            Optional<Integer> randomRows) {
        /** Refuses neither and both. */
        public Config {
            if (path.isPresent() == randomRows.isPresent()) {
                throw new IllegalArgumentException(
                        path.isEmpty()
                                ? "path: missing; give path: FOLDER or random_rows: N"
                                : "random_rows: path is given too; keep one of them");
            }
        }
    }

    @Override
    public String id() {
        return "small_set";
    }

    @Override
    public String summary() {
        return "predict the next token on a few rows only: learnt, chosen or drawn ones";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public String task() {
        return "causal_lm";
    }

    @Override
    public boolean readsInstructions() {
        return true;
    }

    /** {@inheritDoc} As of the text that the rows are drawn from, or that a set was made of by the same recipe. */
    @Override
    public Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        return new CausalLm().onTooLong(data, prompts, new CausalLm.Config());
    }

    /** Refuses what arranges the rows of a whole text, since a small set's are arranged already. */
    static void checkData(DataConfig data) {
        String key = !data.sources().isEmpty()
                ? "sources"
                : data.curriculum().isPresent() ? "curriculum" : data.augment().isEmpty() ? null : "augment";
        if (key != null) {
            throw QuernException.badInput(
                    "data.%s: arranges or changes the rows of a text, but a small set has rows of its own; leave it out",
                    key);
        }
    }

    @Override
    public BatchSource source(Input input, Record config) {
        Config own = (Config) config;
        checkData(input.data());
        if (own.path().isEmpty()) {
            TextRows text = TextRows.of(input);
            int rows = own.randomRows().orElseThrow();
            if (rows > text.count()) {
                throw QuernException.badInput(
                        "objective.random_rows: %,d rows, but the text has only %,d; lower it or give more text",
                        rows, text.count());
            }
            // The order of the first epoch is drawn by the seed, so its beginning is a draw without replacement.
            return new Epochs(text.range(0, rows), Optional.empty(), Optional.of(text), input);
        }
        SmallSet set = SmallSet.read(own.path().get());
        if (!set.tokenizer().equals(input.tokenizer().fingerprint())) {
            throw QuernException.badInput(
                    "objective.path: %s was made with another tokenizer than this training's; use the recipe that it was made with, or tokenizer: {path: FOLDER}",
                    own.path().get());
        }
        return new Epochs(set.rows(), set.learnt(), Optional.empty(), input);
    }

    @Override
    public Optional<BatchSource> evaluation(Input input, Record config) {
        return Optional.empty();
    }

    @Override
    public Added add(Place place) {
        Optional<Path> path = ((Config) place.config()).path();
        Optional<SmallSet.Learnt> learnt =
                path.flatMap(folder -> SmallSet.read(folder).learnt());
        if (learnt.isEmpty()) {
            return new Added(List.of(), List.of(), () -> {});
        }
        TokenEmbedding embedding = LearntRows.embedding(place.model(), "objective.path: " + path.get());
        LearntRows.setTable(embedding.table(), learnt.get(), "objective.path: " + path.get());
        LanguageModelHead head = place.model().network().segments().stream()
                .filter(LanguageModelHead.class::isInstance)
                .map(LanguageModelHead.class::cast)
                .findFirst()
                .orElseThrow();
        return new Added(List.of(), List.<Segment>of(new SoftTargetLoss(head)), () -> {});
    }

    /** All rows in another order every epoch. */
    private static final class Epochs implements BatchSource {
        private final TokenRows rows;
        private final Optional<SmallSet.Learnt> learnt;
        private final List<String> notices;
        private final Optional<TooLong> tooLong;
        private final EpochOrder order;

        /** @param text that the rows were drawn from now */
        Epochs(TokenRows rows, Optional<SmallSet.Learnt> learnt, Optional<TextRows> text, Input input) {
            this.notices = text.map(TextRows::notices).orElse(List.of());
            this.tooLong = text.flatMap(TextRows::tooLong);
            this.rows = rows;
            this.learnt = learnt;
            RandomStreams random = new RandomStreams(input.seed());
            this.order = new EpochOrder(
                    rows.rows(), Math.min(rows.rows(), input.rowsPerBatch()), epoch -> random.seed("small_set", epoch));
        }

        @Override
        public long batchesPerEpoch() {
            return order.batchesPerEpoch();
        }

        @Override
        public List<String> notices() {
            return notices;
        }

        @Override
        public Optional<TooLong> tooLong() {
            return tooLong;
        }

        @Override
        public Batch batch(long globalBatchIndex) {
            int[] chosen = order.batch(globalBatchIndex);
            TokenRows some = rows.pick(chosen);
            int columns = rows.columns();
            int[] lengths = new int[chosen.length];
            Arrays.setAll(lengths, some::length);
            Map<String, Batch.Values> others = learnt.<Map<String, Batch.Values>>map(own -> Map.of(
                            TokenEmbedding.INPUTS_EMBEDS,
                            values(own.vectors(), chosen, columns, own.width()),
                            SoftTargetLoss.SOFT_TARGETS,
                            values(own.targets(), chosen, columns, own.vocabulary())))
                    .orElse(Map.of());
            return new Batch(chosen.length, columns, some.ids(), some.labels(), lengths, others);
        }

        private static Batch.Values values(float[] all, int[] chosen, int columns, int width) {
            int size = columns * width;
            float[] some = new float[chosen.length * size];
            for (int r = 0; r < chosen.length; r++) {
                System.arraycopy(all, chosen[r] * size, some, r * size, size);
            }
            return new Batch.Values.Floats(some, chosen.length, columns, width);
        }
    }
}
