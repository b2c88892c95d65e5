package quern.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import quern.data.BatchSource;
import quern.data.DataConfig;
import quern.data.Documents;
import quern.data.Objective;
import quern.data.OnTooLong;
import quern.data.SpecialToken;
import quern.data.TokenStore;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.data.TokenizerTrainer;
import quern.models.LanguageModel;
import quern.models.ModelFamily;
import quern.models.ModelSpec;
import quern.models.SpecialTokens;
import quern.models.Task;
import quern.nn.Network;
import quern.nn.Regularization;
import quern.optim.GradientClipping;
import quern.optim.MetricSchedule;
import quern.optim.Optimizer;
import quern.optim.OptimizerTechnique;
import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.recipe.Block;
import quern.recipe.DynamicPrecision;
import quern.recipe.LossScale;
import quern.recipe.Precision;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.Techniques;
import quern.tensor.DType;
import quern.tensor.Device;

/**
 * A recipe with everything it names found, read and checked, before a run folder is made or a weight is allocated: the
 * tokenizer is trained or loaded, the texts are tokens, the model's shape is known, every option fits the others. What
 * {@code quern plan} shows and {@code quern train} trains.
 */
public final class Preparation {
    /** What an evaluation draws is the same in every run, so that runs can be compared. */
    private static final long EVALUATION_SEED = 0;

    private static final String SPECIAL_TOKENS = "special_tokens";

    private final Block block;
    private final Recipe recipe;
    private final DataConfig data;
    private final Tokenizer tokenizer;
    private final TokenStore store;
    private final ModelSpec spec;
    private final Optional<Path> startFolder;
    private final BatchSource batches;
    private final Optional<BatchSource> evaluationBatches;
    private final RecipeOptimizer optimizer;
    private final Regularization regularization;
    private final ScheduleTechnique scheduleTechnique;
    private final Record scheduleConfig;
    private final StepBatches stepBatches;
    private final long maxSteps;

    private Preparation(Block block, Consumer<String> notes, Optional<Path> runTokenizer) {
        this.block = block;
        this.recipe = Recipe.from(block);
        this.data = recipe.data().bind(DataConfig.class);
        Objective objective = Techniques.find(
                Objective.class,
                "objective",
                recipe.objective().text("type"),
                recipe.objective().position("type"));
        Task task = Task.of(objective.task());
        Record objectiveConfig = recipe.objective().without("type").bind(objective.config());
        this.optimizer = new RecipeOptimizer(block, recipe);
        this.scheduleTechnique = Techniques.find(
                ScheduleTechnique.class,
                ScheduleTechnique.KIND,
                recipe.lrSchedulerType(),
                block.position("lr_scheduler_type"));
        this.scheduleConfig = recipe.lrSchedulerKwargs().bind(scheduleTechnique.config());
        if (recipe.maxSteps() > 0) {
            // Before the data is read: a warm-up that outlasts the training needs no waiting for.
            warmupSteps(recipe.maxSteps());
        }
        this.startFolder =
                recipe.model().has("path") ? Optional.of(Path.of(recipe.model().text("path"))) : Optional.empty();
        if (startFolder.isEmpty() && !recipe.model().has("family")) {
            throw QuernException.badInput(
                    "%s: model: expected family: NAME (a new model) or path: FOLDER (to continue from), found %s",
                    recipe.model().position(), recipe.model().keys());
        }
        if (startFolder.isPresent() && recipe.model().has("family")) {
            throw QuernException.badInput(
                    "%s: model: path and family are both given; a folder says its own family, so leave family out",
                    recipe.model().position("family"));
        }
        if (startFolder.isEmpty()) {
            // Before a tokenizer is trained: a misspelt family needs no waiting for.
            Techniques.find(
                    ModelFamily.class,
                    ModelFamily.KIND,
                    recipe.model().text("family"),
                    recipe.model().position("family"));
        }
        this.tokenizer = runTokenizer.map(Tokenizer::load).orElseGet(() -> tokenizer(objective, notes));
        this.spec = startFolder
                .map(folder -> ModelSpec.read(folder, recipe.model().without("path")))
                .orElseGet(() -> ModelSpec.fromRecipe(
                        recipe.model(), tokenizer.vocabularySize(), specialTokens(tokenizer), Optional.of(task)));
        if (spec.task() != task) {
            throw QuernException.badInput(
                    "%s: objective %s trains a model for %s, but %s is a %s; choose another objective or folder",
                    recipe.objective().position("type"),
                    objective.id(),
                    task.id(),
                    startFolder.map(Path::toString).orElse("the model"),
                    spec.architecture().name());
        }
        if (spec.config().vocabSize() < tokenizer.vocabularySize()) {
            throw QuernException.badInput(
                    "%s: the model knows %d tokens, but the tokenizer has %d; use the model's own tokenizer",
                    recipe.model().position(), spec.config().vocabSize(), tokenizer.vocabularySize());
        }
        if (data.maxLength() > spec.config().longestPass()) {
            throw QuernException.badInput(
                    "%s: max_length: %d is more than the %d positions the model is made for; lower it or give the model more positions",
                    recipe.data().position("max_length"),
                    data.maxLength(),
                    spec.config().longestPass());
        }
        RecipeRegularization.checkLayers(block, recipe, spec);
        boolean remembers;
        try (Network outline = spec.outline()) {
            optimizer.check(outline);
            this.regularization = RecipeRegularization.of(block, recipe, spec, outline);
            remembers = !outline.carries().isEmpty();
        }
        if (remembers) {
            checkLanes(objective);
        }
        this.store = TokenStore.prepare(data, tokenizer, notes);
        if (store.train().hasPrompts() && !objective.readsInstructions()) {
            throw QuernException.badInput(
                    "%s: objective %s learns from texts, but %s holds instruction rows; use objective: causal_lm with a decoder",
                    recipe.objective().position("type"), objective.id(), String.join(", ", data.path()));
        }
        boolean wholeDocuments =
                objective.readsInstructions() && !remembers && (store.train().hasPrompts() || !data.packing());
        if (data.onTooLong() != OnTooLong.TRUNCATE && !wholeDocuments) {
            throw QuernException.badInput(
                    "%s: data.on_too_long: has no effect, since a row is no whole document here; leave it out, or give instruction rows or packing: false",
                    recipe.data().position("on_too_long"));
        }
        checkEvaluation();
        this.batches = objective.source(
                new Objective.Input(
                        store.train(), tokenizer, data, recipe.perDeviceTrainBatchSize(), recipe.seed(), remembers),
                objectiveConfig);
        this.evaluationBatches = validation()
                .flatMap(text -> objective.evaluation(
                        new Objective.Input(text, tokenizer, data, recipe.perDeviceEvalBatchSize(), EVALUATION_SEED),
                        objectiveConfig));
        checkObjective(objective, task);
        this.stepBatches = StepBatches.of(recipe);
        this.maxSteps = recipe.maxSteps() > 0
                ? recipe.maxSteps()
                : Math.max(1, stepBatches.stepsFor(recipe.numTrainEpochs().orElseThrow() * batches.batchesPerEpoch()));
        checkBatchSize(objective);
        if (maxSteps > Integer.MAX_VALUE) {
            throw QuernException.badInput(
                    "num_train_epochs: %s passes are %d steps, more than a run can have",
                    recipe.numTrainEpochs().get(), maxSteps);
        }
        checkSchedule();
    }

    /**
     * Prepares a recipe.
     *
     * @param notes receives lines for a person to read while this takes its time
     */
    public static Preparation of(Block recipe, Consumer<String> notes) {
        return new Preparation(recipe, notes, Optional.empty());
    }

    /** Prepares a recipe again for a run that was begun, with the tokenizer of its checkpoint. */
    static Preparation resumed(Block recipe, Path checkpoint, Consumer<String> notes) {
        return new Preparation(recipe, notes, Optional.of(checkpoint));
    }

    private void checkEvaluation() {
        if (!ValidationLoss.METRICS.contains(recipe.metricForBestModel())) {
            throw QuernException.badInput(
                    "%s: metric_for_best_model: '%s' is no metric of an evaluation; expected one of %s",
                    block.position("metric_for_best_model"),
                    recipe.metricForBestModel(),
                    String.join(", ", ValidationLoss.METRICS));
        }
        String needs = recipe.loadBestModelAtEnd()
                ? "load_best_model_at_end"
                : recipe.earlyStoppingPatience() > 0 ? "early_stopping_patience" : null;
        if (needs != null && validation().isEmpty()) {
            throw QuernException.badInput(
                    "%s: %s: has no effect, since no text is held out for validation; raise data.validation_share",
                    block.position(needs), needs);
        }
    }

    private void checkSchedule() {
        Schedule schedule = schedule();
        if (!(schedule instanceof MetricSchedule follower)) {
            return;
        }
        String place =
                "%s: lr_scheduler_type: %s".formatted(block.position("lr_scheduler_type"), scheduleTechnique.id());
        if (validation().isEmpty()) {
            throw QuernException.badInput(
                    "%s follows an evaluated metric, but no text is held out for validation; raise data.validation_share",
                    place);
        }
        if (recipe.evaluationSteps() == 0) {
            throw QuernException.badInput(
                    "%s follows an evaluated metric, but the only evaluation is at the end; set eval_steps", place);
        }
        if (follower.higherIsBetter() == EarlyStopping.lowerIsBetter(recipe.metricForBestModel())) {
            throw QuernException.badInput(
                    "%s: mode takes %s values for better, but %s is better the other way; turn mode round",
                    place, follower.higherIsBetter() ? "larger" : "smaller", recipe.metricForBestModel());
        }
    }

    private void checkObjective(Objective objective, Task task) {
        if (recipe.sampleSteps() > 0 && task != Task.CAUSAL_LM) {
            throw QuernException.badInput(
                    "%s: sample_steps: a model trained by objective %s writes no text; leave it out",
                    block.position("sample_steps"), objective.id());
        }
        if (evaluationBatches.isPresent() && recipe.metricForBestModel().equals(ValidationLoss.BITS_PER_BYTE)) {
            throw QuernException.badInput(
                    "%s: metric_for_best_model: objective %s does not predict the whole text, so there is no %s; use eval_loss",
                    block.position("metric_for_best_model"), objective.id(), ValidationLoss.BITS_PER_BYTE);
        }
    }

    /** Of a model with memories, whose rows go on from batch to batch. */
    private void checkLanes(Objective objective) {
        if (!objective.readsLanes()) {
            throw QuernException.badInput(
                    "%s: objective %s has no rows that go on from batch to batch, which a model with recurrence needs; use objective: causal_lm",
                    recipe.objective().position("type"), objective.id());
        }
        int multiple = spec.config().passMultiple();
        if (!data.packing() && data.maxLength() % multiple != 0) {
            throw QuernException.badInput(
                    "%s: max_length: %d is no multiple of compression_rate %d, so a document that begins beside others would be compressed out of step; change one, or set packing: true",
                    recipe.data().position("max_length"), data.maxLength(), multiple);
        }
        String divides = recipe.autoFindBatchSize()
                ? "auto_find_batch_size"
                : recipe.gradientNoiseScale().isPresent() ? "gradient_noise_scale" : null;
        if (divides != null) {
            throw QuernException.badInput(
                    "%s: %s: divides batches, but the rows of a model with recurrence go on from batch to batch together; leave it out",
                    block.position(divides), divides);
        }
    }

    private void checkBatchSize(Objective objective) {
        recipe.batchSizeWarmup().ifPresent(w -> {
            if (w.steps() > maxSteps) {
                throw QuernException.badInput(
                        "%s: batch_size_warmup: steps: %d are more than the training has, %d; lower them",
                        block.position("batch_size_warmup"), w.steps(), maxSteps);
            }
        });
        if (objective.dividesBatches()) {
            return;
        }
        String needs = recipe.autoFindBatchSize()
                ? "auto_find_batch_size"
                : recipe.gradientNoiseScale().isPresent() ? "gradient_noise_scale" : null;
        if (needs != null) {
            throw QuernException.badInput(
                    "%s: %s: divides batches, which objective %s can't bear, since it judges the rows of a batch together; leave it out",
                    block.position(needs), needs, objective.id());
        }
    }

    private Tokenizer tokenizer(Objective objective, Consumer<String> notes) {
        if (recipe.tokenizer().isEmpty()) {
            return Tokenizer.load(startFolder.orElseThrow(() -> QuernException.badInput(
                    "%s: tokenizer: missing; give tokenizer: bpe, tokenizer: char or tokenizer: {path: FOLDER}",
                    block.position())));
        }
        Block choice = recipe.tokenizer().get();
        if (choice.has("path")) {
            for (String key : choice.keys()) {
                if (!key.equals("path")) {
                    throw QuernException.badInput(
                            "%s: tokenizer: %s has no effect beside path; leave one of them out",
                            choice.position(key), key);
                }
            }
            return Tokenizer.load(Path.of(choice.text("path")));
        }
        if (!choice.has("type")) {
            throw QuernException.badInput(
                    "%s: tokenizer: expected type: NAME or path: FOLDER, found %s", choice.position(), choice.keys());
        }
        if (startFolder.isPresent()) {
            throw QuernException.badInput(
                    "%s: tokenizer: a new tokenizer would not fit the model in %s, whose vectors belong to its own; leave tokenizer out",
                    choice.position(), startFolder.get());
        }
        TokenizerTrainer trainer =
                Techniques.find(TokenizerTrainer.class, "tokenizer", choice.text("type"), choice.position("type"));
        Record config =
                withSpecialTokens(choice.without("type"), trainer, objective).bind(trainer.config());
        notes.accept("training a %s tokenizer".formatted(trainer.id()));
        return Tokenizer.of(trainer.train(Documents.open(data).texts(), config));
    }

    /** With the tokens that the objective needs, where the tokenizer can learn some and the recipe names none. */
    private static Block withSpecialTokens(Block settings, TokenizerTrainer trainer, Objective objective) {
        boolean learns = Arrays.stream(trainer.config().getRecordComponents())
                .anyMatch(c -> c.getName().equals("specialTokens"));
        if (!learns || settings.has(SPECIAL_TOKENS) || objective.specialTokens().isEmpty()) {
            return settings;
        }
        List<String> tokens = new ArrayList<>(objective.specialTokens());
        trainer.usualSpecialTokens().stream()
                .filter(token -> !tokens.contains(token))
                .forEach(tokens::add);
        return settings.with(SPECIAL_TOKENS, tokens);
    }

    private static SpecialTokens specialTokens(Tokenizer tokenizer) {
        OptionalInt end = tokenizer.endOfText();
        return new SpecialTokens(end, end, tokenizer.special(SpecialToken.PAD_TOKEN));
    }

    /** The recipe as it was read. */
    public Recipe recipe() {
        return recipe;
    }

    /** The recipe as it was written, overrides applied. */
    public Block block() {
        return block;
    }

    /** Where the text comes from and how it is cut. */
    public DataConfig data() {
        return data;
    }

    /** The tokenizer. */
    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** The text as tokens. */
    public TokenStore store() {
        return store;
    }

    /** The validation text, if a share is held out. */
    public Optional<TokenStream> validation() {
        return store.validation().size() >= 2 ? Optional.of(store.validation()) : Optional.empty();
    }

    /**
     * A fingerprint of the tokens: their number, the documents, and evenly spread blocks of tokens, all of them up to 4
     * million. A run that is resumed must find the same, and runs that are compared too.
     */
    public String dataFingerprint() {
        return DataFingerprint.of(store.train(), store.validation());
    }

    /** What the model is. */
    public ModelSpec spec() {
        return spec;
    }

    /** The batches of training. */
    public BatchSource batches() {
        return batches;
    }

    /** What a person should know about how the data was arranged, such as rows cut short; a line each. */
    public List<String> notices() {
        List<String> all = new ArrayList<>(batches.notices());
        evaluationBatches.ifPresent(held -> held.notices().forEach(notice -> all.add("validation: " + notice)));
        return List.copyOf(all);
    }

    /** The batches by which the held-out text is judged, where the objective has its own. */
    Optional<BatchSource> evaluationBatches() {
        return evaluationBatches;
    }

    /** Which of them each step reads. */
    StepBatches stepBatches() {
        return stepBatches;
    }

    /** What the steps of a training of this network look at. */
    Safeguards safeguards(Network network, Optimizer optimizer, Safeguards.Suspects suspects) {
        boolean scales = recipe.precision().scalesLoss();
        return new Safeguards(
                scales ? Optional.of(new LossScaler(recipe.lossScale().orElse(LossScale.DEFAULT))) : Optional.empty(),
                recipe.precision() == Precision.DYNAMIC
                        ? Optional.of(new SegmentPrecision(
                                recipe.dynamicPrecision().orElse(DynamicPrecision.DEFAULT), network, optimizer))
                        : Optional.empty(),
                recipe.spikeGuard().map(SpikeDetector::new),
                recipe.gradientNoiseScale().map(GradientNoise::new),
                suspects);
    }

    /** A new schedule: the learning rate of each step. */
    public Schedule schedule() {
        return optimizer
                .ownRate()
                .map(OptimizerTechnique.OwnRate::schedule)
                .orElseGet(() -> scheduleTechnique.create(
                        recipe.learningRate(), warmupSteps((int) maxSteps), (int) maxSteps, scheduleConfig));
    }

    private int warmupSteps(int steps) {
        try {
            return Schedule.warmupSteps(recipe.warmupSteps(), steps);
        } catch (QuernException e) {
            throw new QuernException(e.exitCode(), block.position("warmup_steps") + ": " + e.getMessage(), e);
        }
    }

    /** The optimizer chosen. */
    public OptimizerTechnique optimizerTechnique() {
        return optimizer.technique();
    }

    /** Optimizer steps of the whole training. */
    public long maxSteps() {
        return maxSteps;
    }

    /** The dtype of the weights while training. */
    public DType dtype() {
        return dtype(recipe.precision());
    }

    /** The dtype of the weights in a precision; in a dynamic one, of those that never overflowed. */
    public static DType dtype(Precision precision) {
        return switch (precision) {
            case FP32 -> DType.FP32;
            case BF16 -> DType.BF16;
            case FP16, DYNAMIC -> DType.FP16;
        };
    }

    /** Where training happens. */
    public Device device() {
        return Device.parse(recipe.device());
    }

    /** The model at the start of the training. */
    public LanguageModel model() {
        return startFolder
                .map(folder -> LanguageModel.load(folder, recipe.model().without("path"), dtype(), device()))
                .orElseGet(() -> LanguageModel.create(spec, dtype(), device(), recipe.seed()));
    }

    /** The optimizer over a model's trainable parameters, with the average of the weights that the recipe wants. */
    Optimizer optimizer(Network network) {
        Optimizer made = optimizer.create(network);
        boolean done = false;
        try {
            recipe.ema().ifPresent(made::keepAverage);
            done = true;
            return made;
        } finally {
            if (!done) {
                made.close();
            }
        }
    }

    /** What training passes add to the model. */
    Regularization regularization() {
        return regularization;
    }

    /** How gradients are clipped. */
    GradientClipping clipping(Network network) {
        return RecipeRegularization.clipping(recipe, network);
    }
}
