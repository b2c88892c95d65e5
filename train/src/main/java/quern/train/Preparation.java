package quern.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import quern.data.BatchSource;
import quern.data.DataConfig;
import quern.data.Objective;
import quern.data.SpecialToken;
import quern.data.TokenStore;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.data.augment.AugmentedText;
import quern.models.LanguageModel;
import quern.models.ModelGrowth;
import quern.models.ModelSpec;
import quern.models.SpecialTokens;
import quern.models.Task;
import quern.models.VocabularyExtension;
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
import quern.recipe.GrowthSettings;
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
    private final Block block;
    private final Recipe recipe;
    private final DataConfig data;
    private final Objective objective;
    private final Record objectiveConfig;
    private final Tokenizer tokenizer;
    private final TokenStore store;
    private final ModelSpec spec;
    private final Optional<VocabularyExtension> extension;
    private final Optional<Path> startFolder;
    /** The stage whose model this one will begin from, where it isn't trained yet. */
    private final Optional<Preparation> before;

    private final Consumer<String> notes;
    private final BatchSource batches;
    private final Optional<RowOrdering> ordering;
    private final HeldOutTexts heldOut;
    private final RecipeOptimizer optimizer;
    private final Regularization regularization;
    private final ScheduleTechnique scheduleTechnique;
    private final Record scheduleConfig;
    private final StepBatches stepBatches;
    private final long maxSteps;

    private Preparation(
            Block block,
            Consumer<String> notes,
            Optional<Path> runTokenizer,
            Optional<Preparation> before,
            Optional<Tokenizer> given) {
        this.block = block;
        this.before = before;
        this.notes = notes;
        this.recipe = Recipe.from(block);
        if (!recipe.stages().isEmpty()) {
            throw QuernException.badInput(
                    "%s: stages: are several trainings, and here there can be one; use quern train or quern plan, or leave them out",
                    block.position("stages"));
        }
        this.data = recipe.data().bind(DataConfig.class);
        Objective named = Techniques.find(
                Objective.class,
                "objective",
                recipe.objective().text("type"),
                recipe.objective().position("type"));
        this.objectiveConfig = recipe.objective().without("type").bind(named.config());
        this.objective = named.configured(objectiveConfig);
        Task task = Task.of(objective.task());
        ObjectiveFit fit = new ObjectiveFit(block, recipe, objective);
        Optional<AugmentedText> augmentation = AugmentedText.of(data.augment());
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
        if (startFolder.isEmpty() && recipe.grow().isPresent()) {
            throw QuernException.badInput(
                    "%s: grow: has no effect on a new model; name a smaller one under model.path, or use it in a later stage",
                    block.position("grow"));
        }
        if (startFolder.isEmpty()) {
            // Before a tokenizer is trained: a misspelt key needs no waiting for.
            checkModel(task);
        }
        RecipeTokenizer chosen = before.map(Preparation::tokenizer)
                .or(() -> given)
                .map(t -> RecipeTokenizer.existing(t, recipe.model()))
                .orElseGet(() -> RecipeTokenizer.of(block, recipe, data, objective, startFolder, runTokenizer, notes));
        // A run that is resumed goes on with the template it began with, which lies in its checkpoint.
        this.tokenizer = runTokenizer.isPresent()
                ? chosen.tokenizer()
                : data.chatTemplate().map(chosen.tokenizer()::withChatTemplate).orElse(chosen.tokenizer());
        this.spec = before.map(b -> b.spec.with(modelSettings()))
                .or(() -> startFolder.map(folder -> chosen.extend(ModelSpec.read(folder, modelSettings()))))
                .orElseGet(() -> ModelSpec.fromRecipe(
                        recipe.model(), tokenizer.vocabularySize(), specialTokens(tokenizer), Optional.of(task)));
        this.extension = startFolder.flatMap(folder -> chosen.extension(spec, recipe.seed()));
        if (extension.isPresent() && recipe.grow().isPresent()) {
            throw QuernException.badInput(
                    "%s: grow: a model can't be grown and given more tokens at once; add the tokens in a training or stage of its own",
                    block.position("grow"));
        }
        if (spec.task() != task) {
            throw QuernException.badInput(
                    "%s: objective %s trains a model for %s, but %s is a %s; choose another objective or folder",
                    recipe.objective().position("type"),
                    objective.id(),
                    task.id(),
                    startFolder.map(Path::toString).orElse("the model"),
                    spec.architecture().name());
        }
        startFolder.ifPresent(folder ->
                checkGrowth(before.map(Preparation::spec).orElseGet(() -> chosen.extend(ModelSpec.read(folder)))));
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
            fit.checkModel(outline);
            this.regularization = RecipeRegularization.of(block, recipe, spec, outline);
            remembers = !outline.carries().isEmpty();
        }
        if (remembers) {
            fit.checkLanes(data, spec);
        }
        List<TokenStore> stores = data.parts().stream()
                .map(part -> TokenStore.prepare(part, tokenizer, notes))
                .toList();
        this.store = TokenStore.joined(stores);
        if (store.train().hasPrompts() && !objective.readsInstructions()) {
            throw QuernException.badInput(
                    "%s: objective %s learns from texts, but %s holds instruction rows or conversations; use objective: causal_lm with a decoder",
                    recipe.objective().position("type"), objective.id(), String.join(", ", data.path()));
        }
        fit.checkTooLong(data, store.train().hasPrompts(), remembers, objectiveConfig);
        this.stepBatches = StepBatches.of(recipe);
        this.ordering = RowOrdering.wanted(data)
                ? Optional.of(RowOrdering.of(
                        recipe, data, stores, tokenizer, objective, objectiveConfig, stepBatches, augmentation))
                : Optional.empty();
        Objective.Input training = new Objective.Input(
                store.train(), tokenizer, data, recipe.perDeviceTrainBatchSize(), recipe.seed(), remembers);
        this.batches = ordering.<BatchSource>map(RowOrdering::batches)
                .or(() -> augmentation.map(text -> text.batches(
                        training,
                        input -> objective.source(input, objectiveConfig),
                        recipe.data().position("augment"))))
                .orElseGet(() -> objective.source(training, objectiveConfig));
        this.heldOut =
                HeldOutTexts.of(data, stores, tokenizer, objective, objectiveConfig, recipe.perDeviceEvalBatchSize());
        checkEvaluation();
        fit.checkUse(task, heldOut.hasOwnBatches());
        this.maxSteps = recipe.maxSteps() > 0
                ? recipe.maxSteps()
                : Math.max(1, stepBatches.stepsFor(recipe.numTrainEpochs().orElseThrow() * batches.batchesPerEpoch()));
        checkBatchSizeWarmup();
        fit.checkBatches();
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
        return new Preparation(recipe, notes, Optional.empty(), Optional.empty(), Optional.empty());
    }

    /**
     * Prepares a stage whose model will begin from that of the stage before, which need not be trained: to plan it and to
     * find what is wrong with it. {@link #model} gives a model of its shape with new weights.
     */
    static Preparation afterStage(Block recipe, Preparation before, Consumer<String> notes) {
        return new Preparation(recipe, notes, Optional.empty(), Optional.of(before), Optional.empty());
    }

    /** Prepares a stage with a new model that reads with this tokenizer, which an earlier one may have yet to save. */
    static Preparation newStage(Block recipe, Tokenizer tokenizer, Consumer<String> notes) {
        return new Preparation(recipe, notes, Optional.empty(), Optional.empty(), Optional.of(tokenizer));
    }

    /** Prepares a recipe again for a run that was begun, with the tokenizer of its checkpoint. */
    static Preparation resumed(Block recipe, Path checkpoint, Consumer<String> notes) {
        return new Preparation(recipe, notes, Optional.of(checkpoint), Optional.empty(), Optional.empty());
    }

    /** @param small the model to begin from, with the tokens that are added to its vocabulary */
    private void checkGrowth(ModelSpec small) {
        if (recipe.grow().isPresent()) {
            ModelGrowth.check(small, spec, recipe.grow().get().method(), block.position("grow"));
            return;
        }
        Map<String, long[]> sizes = small.shapes().parameters();
        spec.shapes().parameters().forEach((name, shape) -> {
            if (!Arrays.equals(shape, sizes.get(name))) {
                throw QuernException.badInput(
                        "%s: model: makes '%s' another size than it has in the model to continue from (%s, found %s); say how it grows (grow: stack or width), or leave sizes out",
                        recipe.model().position(),
                        name,
                        sizes.containsKey(name) ? Arrays.toString(sizes.get(name)) : "absent",
                        Arrays.toString(shape));
            }
        });
    }

    private void checkEvaluation() {
        List<String> metrics = new ArrayList<>(ValidationLoss.METRICS);
        metrics.addAll(heldOut.metrics());
        if (!metrics.contains(recipe.metricForBestModel())) {
            throw QuernException.badInput(
                    "%s: metric_for_best_model: '%s' is no metric of an evaluation; expected one of %s",
                    block.position("metric_for_best_model"), recipe.metricForBestModel(), String.join(", ", metrics));
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

    /** Looks at what a recipe says of a new model, as far as that can be done without knowing its tokens. */
    private void checkModel(Task task) {
        SpecialTokens some = new SpecialTokens(OptionalInt.of(0), OptionalInt.of(0), OptionalInt.of(1));
        Block ofAnyVocabulary = recipe.model().with("vocab_size", (long) Integer.MAX_VALUE);
        ModelSpec.fromRecipe(ofAnyVocabulary, Integer.MAX_VALUE, some, Optional.of(task));
    }

    private void checkBatchSizeWarmup() {
        recipe.batchSizeWarmup().ifPresent(w -> {
            if (w.steps() > maxSteps) {
                throw QuernException.badInput(
                        "%s: batch_size_warmup: steps: %d are more than the training has, %d; lower them",
                        block.position("batch_size_warmup"), w.steps(), maxSteps);
            }
        });
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
        return heldOut.isEmpty() ? Optional.empty() : Optional.of(store.validation());
    }

    /**
     * A fingerprint of the tokens: their number, the documents, and evenly spread blocks of tokens, all of them up to 4
     * million. A run that is resumed must find the same, and runs that are compared too.
     */
    public String dataFingerprint() {
        List<TokenStream> texts = new ArrayList<>(List.of(store.train(), store.validation()));
        texts.addAll(batches.texts());
        texts.addAll(heldOut.texts());
        return DataFingerprint.of(texts.toArray(TokenStream[]::new));
    }

    /** What the model is. */
    public ModelSpec spec() {
        return spec;
    }

    /** The batches of training. */
    public BatchSource batches() {
        return batches;
    }

    /** How the rows of several corpora are mixed and in which order they are met, where the recipe says so. */
    Optional<RowOrdering> ordering() {
        return ordering;
    }

    /** What a person should know about how the data was arranged, such as rows cut short; a line each. */
    public List<String> notices() {
        List<String> all = new ArrayList<>(store.report().rejections());
        all.addAll(ordering.map(o -> o.notices(maxSteps)).orElseGet(batches::notices));
        all.addAll(heldOut.notices());
        return List.copyOf(all);
    }

    /** What the training is judged by. */
    HeldOutTexts heldOut() {
        return heldOut;
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
        if (before.isPresent()) {
            return LanguageModel.create(spec, dtype(), device(), recipe.seed());
        }
        if (recipe.grow().isPresent()) {
            return grown(startFolder.orElseThrow(), recipe.grow().get().method());
        }
        return startFolder
                .map(this::startModel)
                .orElseGet(() -> LanguageModel.create(spec, dtype(), device(), recipe.seed()));
    }

    /** What is trained of a model, which stays the caller's: its network and what the objective adds. */
    ObjectiveNetwork network(LanguageModel model) {
        return objective instanceof TrainedObjective trained
                ? ObjectiveNetwork.of(
                        trained, new TrainedObjective.Place(objectiveConfig, model, tokenizer, recipe.seed()))
                : ObjectiveNetwork.of(model);
    }

    private LanguageModel startModel(Path folder) {
        LanguageModel model = LanguageModel.load(folder, modelSettings(), dtype(), device());
        if (extension.isEmpty()) {
            return model;
        }
        try (model) {
            return model.extended(spec, extension.get());
        }
    }

    /** What the recipe says of the model beside the folder to start from. */
    private Block modelSettings() {
        return recipe.model().without("path");
    }

    private LanguageModel grown(Path folder, GrowthSettings.Method method) {
        try (LanguageModel small = LanguageModel.load(folder, DType.FP32, Device.CPU)) {
            LanguageModel large =
                    ModelGrowth.grow(small, spec, method, dtype(), device(), recipe.seed(), block.position("grow"));
            boolean done = false;
            try {
                notes.accept("grown (%s) from %,d to %,d parameters; loss of the first batch %.4f before, %.4f after"
                        .formatted(
                                method.name().toLowerCase(Locale.ROOT),
                                small.parameterCount(),
                                large.parameterCount(),
                                firstLoss(small),
                                firstLoss(large)));
                done = true;
                return large;
            } finally {
                if (!done) {
                    large.close();
                }
            }
        }
    }

    private double firstLoss(LanguageModel model) {
        try (ObjectiveNetwork trained = network(model)) {
            return ValidationLoss.measure(trained.network(), model.device(), batches, 1, done -> {})
                    .loss();
        }
    }

    /** The optimizer over a model's trainable parameters, with the average of the weights that the recipe wants. */
    public Optimizer optimizer(Network network) {
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
