package quern.data;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import quern.recipe.Block;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.recipe.Shorthand;
import quern.recipe.Techniques;

/**
 * Several objectives at once, for one model: every batch belongs to one of them. How often each has its turn follows given
 * weights, or the number of its batches ({@code n^(1/T)}; Raffel et al. 2020, arXiv:1910.10683, section 3.5.2), or is the same for
 * all while the losses are weighed by learned uncertainties (Kendall et al. 2018, arXiv:1705.07115). A task may have texts of its
 * own, in another language, say. See {@link TaskMixture} for the order.
 */
public final class MultiTask implements Objective {
    /** How tasks are weighed against each other. */
    public enum Weighting {
        /** Their turns by {@code weight}. */
        FIXED,
        /** Their turns by their number of batches to the power of 1 / {@code temperature}. */
        PROPORTIONAL,
        /**
         * As many turns for each; a task's loss L counts {@code exp(-s) L + s / 2}, with s, the logarithm of its variance, learned
         * beside the model (Kendall et al., equation 10).
         */
        UNCERTAINTY
    }

    /**
     * @param tasks the tasks
     * @param weighting how they are weighed against each other
     * @param temperature T of {@code proportional}: 1 keeps to the sizes, a large one evens them out
     * @param uncertaintyLearningRate the rate at which the logarithms of the variances descend
     */
    public record Config(
            @Doc("The tasks, each with its objective.") List<Part> tasks,

            @Doc(
                    "How tasks are weighed against each other: fixed, proportional (to their sizes) or uncertainty (learned).")
            @Default("fixed")
            Weighting weighting,

            @Doc("Of proportional: turns go by sizes to the power of 1 / temperature.") @Range(min = 1)
            Optional<Double> temperature,

            @Doc("Of uncertainty: the rate at which the logarithms of the variances descend, 0.05 unless given.")
            @Range(min = 0, minExclusive = true, max = 1)
            Optional<Double> uncertaintyLearningRate) {
        /** Refuses too few tasks, and settings of another weighting. */
        public Config {
            if (tasks.size() < 2) {
                throw new IllegalArgumentException(
                        "tasks: %d given, and two or more are needed; one alone is an objective by itself"
                                .formatted(tasks.size()));
            }
            tasks = List.copyOf(tasks);
            if (weighting != Weighting.FIXED
                    && tasks.stream().anyMatch(task -> task.weight().isPresent())) {
                throw new IllegalArgumentException("tasks: weight is for weighting: fixed; leave it out");
            }
            if (weighting != Weighting.PROPORTIONAL && temperature.isPresent()) {
                throw new IllegalArgumentException("temperature: is for weighting: proportional; leave it out");
            }
            if (weighting != Weighting.UNCERTAINTY && uncertaintyLearningRate.isPresent()) {
                throw new IllegalArgumentException(
                        "uncertainty_learning_rate: is for weighting: uncertainty; leave it out");
            }
        }
    }

    /**
     * A task.
     *
     * @param objective what it learns by
     * @param weight of {@code fixed}: how often it has its turn beside the others, 1 unless given
     * @param data its own texts, with keys of {@code data}; what is not given is as there
     */
    public record Part(
            @Doc("What the task learns by.") @Shorthand("type")
            Block objective,

            @Doc("Of fixed: how often it has its turn beside the others, 1 unless given.")
            @Range(min = 0, minExclusive = true)
            Optional<Double> weight,

            @Doc("The task's own texts, with keys of data: path or source, field…")
            Optional<Block> data) {}

    /** A task whose objective was found. */
    private record Task(String name, Objective objective, Record config, Part part) {}

    /** Keys of {@code data} that all tasks share, since the model reads the rows of all. */
    private static final Set<String> SHARED = Set.of("max_length", "packing", "validation_share", "validation_seed");

    private final Optional<Config> config;
    private final List<Task> tasks;

    /** The technique, which {@link #configured} makes an objective of. */
    public MultiTask() {
        this.config = Optional.empty();
        this.tasks = List.of();
    }

    private MultiTask(Config config) {
        this.config = Optional.of(config);
        List<Task> all = new ArrayList<>();
        Map<String, Integer> seen = new LinkedHashMap<>();
        for (Part part : config.tasks()) {
            Position place = part.objective().position("type");
            Objective named = Techniques.find(
                    Objective.class, "objective", part.objective().text("type"), place);
            if (named instanceof MultiTask) {
                throw QuernException.badInput(
                        "%s: a task of multi_task can't be multi_task; list its tasks here", place);
            }
            if (named.bringsLoss()) {
                throw QuernException.badInput(
                        "%s: %s has a loss of its own, which does not go with other tasks; choose objectives that the model's head learns by",
                        place, named.id());
            }
            Record settings = part.objective().without("type").bind(named.config());
            int times = seen.merge(named.id(), 1, Integer::sum);
            all.add(new Task(
                    times == 1 ? named.id() : named.id() + "_" + times, named.configured(settings), settings, part));
        }
        this.tasks = List.copyOf(all);
        requireSame("models for", task -> task.objective().task());
        requireSame("block positions", task -> Boolean.toString(task.objective().givesBlockPositions()));
        requireSame("prefixes", task -> Boolean.toString(task.objective().givesPrefixes()));
    }

    private void requireSame(String what, Function<Task, String> of) {
        Task first = tasks.getFirst();
        for (Task task : tasks) {
            if (!of.apply(task).equals(of.apply(first))) {
                throw QuernException.badInput(
                        "%s: %s and %s train one model, but they differ in %s: %s and %s; choose tasks for the same kind of model",
                        task.part().objective().position("type"),
                        first.name(),
                        task.name(),
                        what,
                        of.apply(first),
                        of.apply(task));
            }
        }
    }

    @Override
    public String id() {
        return "multi_task";
    }

    @Override
    public String summary() {
        return "several objectives in turn, by weights, by size or by learned uncertainty";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Objective configured(Record config) {
        return new MultiTask((Config) config);
    }

    private List<Task> known() {
        if (config.isEmpty()) {
            throw new IllegalStateException("multi_task has no answer before it is configured");
        }
        return tasks;
    }

    @Override
    public String task() {
        return known().getFirst().objective().task();
    }

    @Override
    public List<String> specialTokens() {
        Set<String> all = new LinkedHashSet<>();
        known().forEach(task -> all.addAll(task.objective().specialTokens()));
        return List.copyOf(all);
    }

    /** No where losses are weighed by task, or a task can't bear it. */
    @Override
    public boolean dividesBatches() {
        return config.orElseThrow().weighting() != Weighting.UNCERTAINTY
                && known().stream().allMatch(task -> task.objective().dividesBatches());
    }

    @Override
    public boolean givesPrefixes() {
        return known().getFirst().objective().givesPrefixes();
    }

    @Override
    public boolean givesBlockPositions() {
        return known().getFirst().objective().givesBlockPositions();
    }

    /** What all tasks with rows of whole documents can do. */
    @Override
    public Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        Set<OnTooLong> all = EnumSet.allOf(OnTooLong.class);
        boolean any = false;
        for (Task task : known()) {
            Set<OnTooLong> own = task.objective().onTooLong(data, prompts, task.config());
            if (!own.isEmpty()) {
                all.retainAll(own);
                any = true;
            }
        }
        return any ? all : Set.of();
    }

    @Override
    public BatchSource source(Input input, Record config) {
        return mixture(input, false);
    }

    @Override
    public Optional<BatchSource> evaluation(Input input, Record config) {
        return Optional.of(mixture(input, true).oneAfterAnother());
    }

    private TaskMixture mixture(Input input, boolean validation) {
        List<TaskMixture.Turn> turns = new ArrayList<>();
        List<TokenStream> texts = new ArrayList<>();
        for (Task task : known()) {
            Input own = task.part()
                    .data()
                    .map(data -> ownInput(task, input, data, validation))
                    .orElse(input);
            if (own != input) {
                texts.add(own.tokens());
            }
            turns.add(new TaskMixture.Turn(
                    task.name(),
                    task.objective().source(own, task.config()),
                    task.part().weight().orElse(1.0)));
        }
        Config c = config.orElseThrow();
        return new TaskMixture(
                turns,
                c.weighting(),
                c.temperature().orElse(1.0),
                c.uncertaintyLearningRate().orElse(TaskMixture.UNCERTAINTY_RATE),
                input.seed(),
                texts);
    }

    private static Input ownInput(Task task, Input input, Block data, boolean validation) {
        for (String key : SHARED) {
            if (data.has(key)) {
                throw QuernException.badInput(
                        "%s: %s: is the same for all tasks; set it under the recipe's data", data.position(key), key);
            }
        }
        DataConfig shared = input.data();
        DataConfig bound = data.with("max_length", shared.maxLength())
                .with("packing", shared.packing())
                .with("validation_share", shared.validationShare())
                .with("validation_seed", shared.validationSeed())
                .bind(DataConfig.class);
        DataConfig own = data.has("on_too_long") ? bound : bound.withOnTooLong(shared.onTooLong());
        Set<OnTooLong> answers = task.objective().onTooLong(own, false, task.config());
        if (data.has("on_too_long") && !answers.contains(own.onTooLong())) {
            throw QuernException.badInput(
                    "%s: on_too_long: objective %s has no such answer; leave it out",
                    data.position("on_too_long"), task.objective().id());
        }
        TokenStore store = TokenStore.prepare(own, input.tokenizer(), note -> {});
        TokenStream tokens = validation ? store.validation() : store.train();
        if (tokens.hasPrompts()) {
            throw QuernException.badInput(
                    "%s: tasks of multi_task learn from texts, but these are instruction rows; give texts",
                    data.position());
        }
        return new Input(tokens, input.tokenizer(), own, input.rowsPerBatch(), input.seed(), input.lanes());
    }
}
