package quern.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import quern.data.order.Weights;
import quern.models.GenerationConfig;
import quern.models.Generator;
import quern.models.LanguageModel;
import quern.models.SaveOptions;
import quern.nn.GradientCheckpointing;
import quern.nn.TransformerBlock;
import quern.optim.EvalWeights;
import quern.optim.MetricSchedule;
import quern.optim.Optimizer;
import quern.optim.Schedule;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.SpikeGuard;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.RandomStreams;
import quern.tensor.Scope;
import quern.tensor.StagingBuffers;
import quern.tensor.Tensor;

/**
 * One training from a recipe to a run folder: what {@code quern train} runs, and what a Java program calls.
 *
 * <pre>{@code
 * Block recipe = RecipeFile.load(Path.of("recipe.yaml"), List.of("max_steps=100"));
 * try (TrainingRun run = TrainingRun.start(recipe, System.out::println)) {
 *     TrainingRun.Outcome outcome = run.train();
 * }
 * }</pre>
 *
 * <p>Everything a person watches goes through {@link #addHook}. {@link #requestStop} may be called from any thread: the
 * present step is finished, the state is saved, and {@link #train} returns.
 */
public final class TrainingRun implements AutoCloseable {
    /** How a training ended. */
    public enum Ending {
        /** All steps were taken. */
        DONE,
        /** Early stopping ended it. */
        EARLY,
        /** It was asked to stop; resuming goes on from there. */
        STOPPED
    }

    /**
     * What came of a training.
     *
     * @param folder the run folder; unless stopped it is a model folder too
     * @param steps steps taken, those before a resume included
     * @param tokens input tokens seen
     * @param evaluation the last evaluation's metrics; empty without validation text
     * @param bestStep the step of the best evaluation
     */
    public record Outcome(
            Path folder,
            Ending ending,
            long steps,
            long tokens,
            Map<String, Double> evaluation,
            Optional<Long> bestStep) {}

    private final RunFolder folder;
    private final Preparation preparation;
    private final Recipe recipe;
    private final LanguageModel model;
    private final ObjectiveNetwork trained;
    private final Optimizer optimizer;
    private final CarriedMemories memories;
    private final TrainerState state;
    private final List<TrainingHook> hooks = new ArrayList<>();
    private final List<TrainingHook> watchers = new ArrayList<>();
    private final StagingBuffers staging = new StagingBuffers();
    private final Map<String, Double> lastEvaluation = new LinkedHashMap<>();
    private final List<Map<String, Double>> history;
    private final MetricsLog metrics;
    private final Optional<TensorBoardLog> tensorBoard;
    private volatile Trainer trainer;
    private volatile boolean stopRequested;

    /** Takes over the folder and the model. */
    private TrainingRun(RunFolder folder, Preparation preparation, LanguageModel model, Optional<Path> checkpoint) {
        this.folder = folder;
        this.preparation = preparation;
        this.recipe = preparation.recipe();
        this.model = model;
        this.memories = new CarriedMemories(model.network(), model.device());
        ObjectiveNetwork network = null;
        Optimizer made = null;
        MetricsLog log = null;
        boolean done = false;
        try {
            network = preparation.network(model);
            made = preparation.optimizer(network.network());
            this.state = checkpoint.map(Checkpoints::readState).orElseGet(TrainerState::new);
            if (checkpoint.isPresent()) {
                try (Scope scope = Scope.open()) {
                    Map<String, Tensor> besides = Checkpoints.readMemories(checkpoint.get());
                    network.load(besides);
                    made.load(Checkpoints.readOptimizer(checkpoint.get()));
                    memories.load(ObjectiveNetwork.others(besides));
                }
            }
            requireSameData();
            requireBestCheckpoint();
            log = new MetricsLog(folder.path(), state.step);
            this.history = MetricsLog.read(folder.path());
            history.stream().filter(m -> m.containsKey("eval_loss")).forEach(this::keepEvaluation);
            this.tensorBoard = recipe.tensorboard()
                    ? Optional.of(new TensorBoardLog(folder.path().resolve("tensorboard"), state.step))
                    : Optional.empty();
            done = true;
        } finally {
            if (!done) {
                closeAll(log, made, memories, network, model, folder);
            }
        }
        this.metrics = log;
        this.optimizer = made;
        this.trained = network;
    }

    /** Begins a run in the recipe's {@code output_dir}, or beside it when that is taken. */
    public static TrainingRun start(Block recipe, Consumer<String> notes) {
        return start(Preparation.of(recipe, notes));
    }

    /** Begins a run of a recipe that was prepared. */
    public static TrainingRun start(Preparation preparation) {
        ComputeThreads.use(preparation.recipe().threads());
        // Before the folder is made: a model to continue from may turn out to be damaged.
        LanguageModel model = preparation.model();
        RunFolder folder = null;
        try {
            folder = RunFolder.create(preparation.recipe().outputDir(), preparation.block());
        } finally {
            if (folder == null) {
                model.close();
            }
        }
        return new TrainingRun(folder, preparation, model, Optional.empty());
    }

    /**
     * Goes on with a run from its newest checkpoint, or from the checkpoint that is named; checkpoints past that one are
     * taken away when the first new one is durable, as their steps are taken again. The checkpoint is verified file by
     * file first. A run without a checkpoint begins anew in its folder.
     *
     * @param path a run folder, or one of its checkpoints
     * @param overrides changes to the recipe, of the keys that may change
     */
    public static TrainingRun resume(Path path, List<String> overrides, Consumer<String> notes) {
        boolean named = Checkpoints.step(path.toAbsolutePath().normalize()).isPresent()
                && !Files.isRegularFile(path.resolve(RunFolder.RECIPE));
        if (named && !Files.isDirectory(path)) {
            throw QuernException.badInput(
                    "%s: no such checkpoint; name one that is there, or the run folder for its newest", path);
        }
        Path runPath = named ? path.toAbsolutePath().normalize().getParent() : path;
        return resume(
                RunFolder.open(runPath), named ? Optional.of(path) : Optional.empty(), f -> f.recipe(overrides), notes);
    }

    /** Goes on with a stage, whose recipe is now this one. */
    static TrainingRun resumeStage(Path path, Block recipe, Consumer<String> notes) {
        return resume(
                RunFolder.open(path), Optional.empty(), f -> Resumption.changed(f.recipe(List.of()), recipe), notes);
    }

    private static TrainingRun resume(
            RunFolder folder, Optional<Path> named, Function<RunFolder, Block> recipe, Consumer<String> notes) {
        Path runPath = folder.path();
        boolean done = false;
        try {
            Block before = folder.recipe(List.of());
            Block after = recipe.apply(folder);
            Resumption.refuseChanges(before, after);
            if (before.has("stages")) {
                throw QuernException.badInput(
                        "%s: a run of several stages, which this does not go on with; use quern train --resume %s",
                        runPath, runPath);
            }
            Checkpoints.recover(runPath);
            Optional<Path> checkpoint = named.or(() -> Resumption.newest(runPath));
            checkpoint.ifPresent(c -> Resumption.verify(c, runPath));
            Preparation preparation = checkpoint
                    .map(c -> Preparation.resumed(after, c, notes))
                    .orElseGet(() -> Preparation.of(after, notes));
            notes.accept(checkpoint
                    .map(c -> "resuming %s from %s".formatted(runPath, c.getFileName()))
                    .orElseGet(() -> "%s has no checkpoint yet; beginning anew".formatted(runPath)));
            ComputeThreads.use(preparation.recipe().threads());
            LanguageModel model = checkpoint
                    .map(c -> LanguageModel.load(c, preparation.dtype(), preparation.device()))
                    .orElseGet(preparation::model);
            // A checkpoint does not say how attention is computed; the recipe does.
            model.network().setAttention(preparation.spec().attention());
            TrainingRun run = new TrainingRun(folder, preparation, model, checkpoint);
            done = true;
            return run;
        } finally {
            if (!done) {
                folder.close();
            }
        }
    }

    /** The bits of a resumed run mean nothing when another text goes on. */
    private void requireSameData() {
        String data = preparation.dataFingerprint();
        if (!state.data.isEmpty() && !state.data.equals(data)) {
            throw QuernException.badInput(
                    "%s: the text is not the one that %s was trained on; bring the old text back, or begin a new run with model.path: %s",
                    preparation.block().position("data"), folder.path(), Checkpoints.folder(folder.path(), state.step));
        }
        state.data = data;
    }

    /** Where the best step so far was not kept, since nobody asked for it then, it can't be come back to. */
    private void requireBestCheckpoint() {
        if (recipe.loadBestModelAtEnd()
                && state.bestStep >= 0
                && !Files.isDirectory(Checkpoints.folder(folder.path(), state.bestStep))) {
            throw QuernException.badInput(
                    "%s: load_best_model_at_end: the best step so far, %d, was not saved; leave it off for this run",
                    preparation.block().position("load_best_model_at_end"), state.bestStep);
        }
    }

    /**
     * The lines of a run folder's {@code metrics.jsonl}, {@code step} among their keys.
     *
     * @throws QuernException failed when the file is missing or damaged
     */
    public static List<Map<String, Double>> metrics(Path runFolder) {
        return MetricsLog.read(runFolder);
    }

    /** The run folder. */
    public Path folder() {
        return folder.path();
    }

    /** What is being trained on what. */
    public Preparation preparation() {
        return preparation;
    }

    /** The model being trained, with the training's own weights where the saved ones are an average. */
    public LanguageModel model() {
        return model;
    }

    /** Steps already taken. */
    public long step() {
        return state.step;
    }

    /** Bytes of the optimizer's state. */
    public long optimizerBytes() {
        return optimizer.stateBytes();
    }

    /** The lines of metrics, {@code step} among their keys, that a resumed run began with. */
    public List<Map<String, Double>> history() {
        return history;
    }

    /** Adds a hook; call before {@link #train}. */
    public void addHook(TrainingHook hook) {
        hooks.add(hook);
    }

    /**
     * Adds a hook that only watches; call before {@link #train}. It is called on a thread of its own beside the training,
     * event by event in their order, and has heard all of them when {@link #train} returns or throws. It may be some steps
     * behind, its {@link TrainingHook#state} is not kept, and it has no say in when training ends.
     */
    public void addWatcher(TrainingHook watcher) {
        watchers.add(watcher);
    }

    /** Asks the training to save and return after the present step. */
    public void requestStop() {
        stopRequested = true;
        Trainer t = trainer;
        if (t != null) {
            t.requestStop();
        }
    }

    /**
     * Trains to the end.
     *
     * @throws QuernException refused when the loss or a gradient is not finite or the disk is full; the last checkpoint
     *     stands
     */
    public Outcome train() {
        List<TrainingHook> beside = new ArrayList<>();
        beside.add(metrics);
        tensorBoard.ifPresent(beside::add);
        beside.addAll(watchers);
        try (HookThread hookThread = new HookThread(beside);
                BatchPrefetch prefetch =
                        new BatchPrefetch(preparation.batches(), preparation.stepBatches(), preparation.maxSteps())) {
            return train(hookThread, prefetch);
        }
    }

    private Outcome train(HookThread hookThread, BatchPrefetch prefetch) {
        List<TrainingHook> all = new ArrayList<>();
        all.add(hookThread);
        if (recipe.earlyStoppingPatience() > 0) {
            all.add(new EarlyStopping(
                    recipe.metricForBestModel(), recipe.earlyStoppingPatience(), recipe.earlyStoppingThreshold()));
        }
        Schedule schedule = preparation.schedule();
        if (schedule instanceof MetricSchedule follower) {
            all.add(new ScheduleFeedback(recipe.metricForBestModel(), follower));
        }
        all.add(new TrainingHook() {
            @Override
            public void onMetrics(TrainingProgress progress, Map<String, Double> values) {
                if (values.containsKey("eval_loss")) {
                    keepEvaluation(values);
                }
            }
        });
        all.addAll(hooks);
        if (recipe.gradientCheckpointing()) {
            trained.network().addHook(new GradientCheckpointing(s -> s instanceof TransformerBlock));
        }
        Checkpoints checkpoints = new Checkpoints(
                folder.path(),
                recipe.saveTotalLimit(),
                recipe.saveAsync(),
                to -> preparation.tokenizer().save(to));
        try (RowLosses rowLosses = RowLosses.of(
                preparation.ordering().flatMap(RowOrdering::reference), preparation.tokenizer(), model.device())) {
            return train(checkpoints, all, schedule, prefetch, rowLosses);
        }
    }

    private Outcome train(
            Checkpoints checkpoints,
            List<TrainingHook> all,
            Schedule schedule,
            BatchPrefetch prefetch,
            RowLosses rowLosses) {
        Optional<DataOrder> order = preparation.ordering().map(o -> new DataOrder(o.batches()));
        boolean learns = order.filter(o -> o.batches().learns()).isPresent();
        Safeguards safeguards = safeguards();
        TrainingStep step = new TrainingStep(
                trained.network(),
                model.device(),
                optimizer,
                preparation.clipping(trained.network()),
                preparation.regularization(),
                recipe.seed(),
                safeguards,
                recipe.optimizerInBackward());
        PrefixSharing.set(preparation, trained.network(), step);
        step.beforeUpdates(checkpoints::awaitCopies);
        step.carry(memories);
        if (learns) {
            step.tell(rowLosses);
        }
        TaskUncertainty.of(preparation.batches(), preparation.stepBatches()).ifPresent(step::weigh);
        trainer = new Trainer(
                new Trainer.Parts(
                        recipe,
                        preparation.maxSteps(),
                        step,
                        preparation.batches(),
                        prefetch,
                        preparation.stepBatches(),
                        safeguards,
                        order,
                        learns ? Optional.of(rowLosses) : Optional.empty(),
                        recipe.autoFindBatchSize() ? Optional.of(new MicroBatchSize()) : Optional.empty(),
                        recipe.spikeGuard()
                                .filter(g -> g.action() == SpikeGuard.Action.REWIND)
                                .map(g -> this::rewind),
                        schedule,
                        checkpoints,
                        s -> save(checkpoints, s),
                        Optional.of(preparation.heldOut())
                                .filter(heldOut -> !heldOut.isEmpty())
                                .map(heldOut -> new RunEvaluation(
                                        heldOut, model, trained.network(), optimizer, preparation, state)),
                        recipe.sampleSteps() > 0 ? Optional.of(this::sample) : Optional.empty(),
                        all),
                state);
        if (stopRequested) {
            trainer.requestStop();
        }
        Trainer.Ending ending;
        try {
            ending = trainer.run();
        } catch (RuntimeException | Error e) {
            settle(checkpoints, e);
            throw e;
        }
        Map<String, Double> weights = order.map(o -> o.batches().result()).orElse(Map.of());
        if (!weights.isEmpty()) {
            Weights.write(folder.path(), weights);
        }
        if (ending != Trainer.Ending.STOPPED) {
            boolean best = recipe.loadBestModelAtEnd() && state.bestStep >= 0;
            Checkpoints.publish(Checkpoints.folder(folder.path(), best ? state.bestStep : state.step), folder.path());
        }
        return new Outcome(
                folder.path(),
                Ending.valueOf(ending.name()),
                state.step,
                state.tokens,
                Map.copyOf(lastEvaluation),
                state.bestStep >= 0 ? Optional.of(state.bestStep) : Optional.empty());
    }

    /** Begins a checkpoint; the next update waits for its copies where any are made beside training. */
    private void save(Checkpoints checkpoints, TrainerState s) {
        SaveOptions options = SaveOptions.DEFAULT.withCard(RunCard.of(folder.path(), preparation, s, lastEvaluation));
        if (optimizer.hasEvalWeights()) {
            // The weights to save take the place of the training's own for a moment.
            checkpoints.save(
                    Snapshot.take(model, options, optimizer, s, staging).with(besides()));
        } else if (recipe.saveAsync() && !s.finished) {
            TrainerState then = s.copy();
            // The next pass replaces them, before the updates that wait for the copies of the weights.
            Map<String, Tensor> carried = besides();
            checkpoints.saveBeside(
                    Snapshot.bytes(model, optimizer),
                    () -> Snapshot.take(model, options, optimizer, then, staging)
                            .with(carried));
        } else {
            checkpoints.save(Snapshot.live(model, options, optimizer, s).with(besides()));
        }
    }

    /** Copies of what a checkpoint holds beside model and optimizer. */
    private Map<String, Tensor> besides() {
        Map<String, Tensor> all = memories.copies();
        all.putAll(trained.copies());
        return all;
    }

    private Safeguards safeguards() {
        KeptBatches kept = new KeptBatches(
                folder.path(),
                preparation.tokenizer()::decode,
                recipe.spikeGuard().map(SpikeGuard::keptBatches).orElse(KeptBatches.USUAL_LIMIT));
        return preparation.safeguards(trained.network(), optimizer, kept::keep);
    }

    /** Brings weights and optimizer back to those of a step's checkpoint; gives the numbers of that time. */
    private TrainerState rewind(long step) {
        Path checkpoint = Checkpoints.folder(folder.path(), step);
        Manifest.verify(checkpoint);
        try (LanguageModel then = LanguageModel.load(checkpoint, preparation.dtype(), preparation.device());
                Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            Map<String, Parameter> weights = new HashMap<>();
            then.parameters().forEach(p -> weights.put(p.name(), p));
            for (Parameter p : model.parameters()) {
                if (!isMastered(p)) {
                    p.value().copy_(weights.get(p.name()).value());
                }
            }
            trained.load(Checkpoints.readMemories(checkpoint));
            // After the model's weights: where those are an average, the optimizer's state has the training's own.
            optimizer.load(Checkpoints.readOptimizer(checkpoint));
            for (Parameter p : trained.network().parameters()) {
                if (isMastered(p)) {
                    p.value().copy_(optimizer.masterOf(p));
                }
            }
        }
        return Checkpoints.readState(checkpoint);
    }

    /** Whether a weight comes from its master: its segment may have changed its dtype since a checkpoint. */
    private static boolean isMastered(Parameter p) {
        return p.isTrainable() && p.value().dtype() != DType.FP32;
    }

    private void keepEvaluation(Map<String, Double> values) {
        lastEvaluation.clear();
        values.forEach((name, value) -> {
            if (!name.equals("step")) {
                lastEvaluation.put(name, value);
            }
        });
    }

    /** A save under way is finished before a failure of the training is reported, since it may be the last good state. */
    private static void settle(Checkpoints checkpoints, Throwable failure) {
        try {
            checkpoints.await();
        } catch (RuntimeException saving) {
            if (saving != failure) {
                failure.addSuppressed(saving);
            }
        }
    }

    private String sample(long step) {
        long seed = new RandomStreams(recipe.seed()).seed("sample", step);
        GenerationConfig config = model.generationConfig()
                .with(Block.empty(preparation.block().position("sample_steps"))
                        .with("do_sample", true)
                        .with("max_new_tokens", recipe.sampleMaxNewTokens())
                        .with("seed", seed));
        long[] prompt = ModelFolder.promptTokens(preparation.tokenizer(), recipe.samplePrompt());
        List<Generator.Generated> out;
        try (EvalWeights eval = optimizer.evalWeights()) {
            out = new Generator(model, config, null).generate(List.of(prompt));
        }
        long[] tokens = out.getFirst().tokens();
        int[] ids = new int[tokens.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (int) tokens[i];
        }
        return preparation.tokenizer().decode(ids);
    }

    /** Closes all of them, whatever one of them throws. */
    private static void closeAll(AutoCloseable... all) {
        RuntimeException failure = null;
        for (AutoCloseable c : all) {
            if (c == null) {
                continue;
            }
            try {
                c.close();
            } catch (Exception e) {
                RuntimeException thrown = e instanceof RuntimeException r ? r : new IllegalStateException(e);
                if (failure == null) {
                    failure = thrown;
                } else {
                    failure.addSuppressed(thrown);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    public void close() {
        closeAll(metrics, tensorBoard.orElse(null), staging, optimizer, memories, trained, model, folder);
    }
}
