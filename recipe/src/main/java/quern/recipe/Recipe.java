package quern.recipe;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The top level of a training recipe: what is trained, on what, and how. Keys are the names of Hugging Face's {@code
 * TrainingArguments} (version 5), flat; {@code model}, {@code tokenizer}, {@code data} and {@code objective} are blocks
 * that the rooms which know them bind.
 *
 * <p>Steps are optimizer steps. Exactly one of {@code max_steps} and {@code num_train_epochs} says how long to train.
 */
public record Recipe(
        @Doc("The run folder; when it is taken, -2, -3… is appended.") @Default("runs/quern")
        Path outputDir,

        @Doc("The seed that every random stream is derived from.") @Default("1")
        long seed,

        @Doc(
                "The arithmetic of training: fp32; bf16 or fp16 with 32-bit master weights; or dynamic, fp16 with bf16 where it"
                        + " overflows.")
        @Default("fp32")
        Precision precision,

        @Doc("How the loss is scaled in precision fp16 and dynamic.")
        Optional<LossScale> lossScale,

        @Doc("When a segment changes from fp16 to bf16 in precision dynamic.")
        Optional<DynamicPrecision> dynamicPrecision,

        @Doc("What happens to a batch whose loss lies far above that of the steps before.")
        Optional<SpikeGuard> spikeGuard,

        @Doc("Small batches first: gradient accumulation grows to its full number over some steps.")
        Optional<BatchSizeWarmup> batchSizeWarmup,

        @Doc("Measures the gradient noise scale; {} for the usual averages.")
        Optional<GradientNoiseScale> gradientNoiseScale,

        @Doc("Whether a step's sequences are divided into passes as the memory allows; the step itself stays the same.")
        @Default("false")
        boolean autoFindBatchSize,

        @Doc("The model: a family with its sizes, or path: a Hugging Face folder to continue from.")
        Block model,

        @Doc("How the model begins where it is larger than the one in model.path: stack, width or copy.")
        @Shorthand("method")
        Optional<GrowthSettings> grow,

        @Doc(
                "Trainings one after the other, each with a name and keys of its own, from the last one's model or what from says: new, or a stage's name. The value stage:NAME is that stage's run folder.")
        @Default("[]")
        List<Block> stages,

        @Doc("The tokenizer: a type with its settings, or path: a folder; without it the model's own.")
        @Shorthand("type")
        Optional<Block> tokenizer,

        @Doc("The texts to train on, and how they are cut into contexts.")
        Block data,

        @Doc("What the model learns to predict.") @Default("causal_lm") @Shorthand("type")
        Block objective,

        @Doc("The optimizer.") @Default("adamw") @TechniqueId(kind = "optim", settings = "optim_args")
        String optim,

        @Doc("The optimizer's own settings.") @Default("{}") Block optimArgs,

        @Doc("The peak learning rate.") @Default("1e-3") @Range(min = 0)
        double learningRate,

        @Doc("The weight decay.") @Default("0.0") @Range(min = 0)
        double weightDecay,

        @Doc("The decay rate of the first moment in Adam and its kin.")
        @Default("0.9")
        @Range(min = 0, max = 1, maxExclusive = true)
        double adamBeta1,

        @Doc("The decay rate of the second moment in Adam and its kin.")
        @Default("0.999")
        @Range(min = 0, max = 1, maxExclusive = true)
        double adamBeta2,

        @Doc("The term that keeps Adam's denominator away from zero.")
        @Default("1e-8")
        @Range(min = 0, minExclusive = true)
        double adamEpsilon,

        @Doc("Gradients are scaled down to this norm; 0 turns clipping off.") @Default("1.0") @Range(min = 0)
        double maxGradNorm,

        @Doc("Each element of a gradient is limited to plus and minus this; 0 turns it off.")
        @Default("0.0")
        @Range(min = 0)
        double maxGradValue,

        @Doc("Adaptive clipping: gradients stay short beside the weights they belong to; a number is its clip_factor.")
        @Shorthand(value = "clip_factor", number = true)
        Optional<AgcSettings> agc,

        @Doc("Adafactor with the recipe's learning rate: optim adafactor, scale_parameter and relative_step false.")
        @Default("false")
        boolean adafactor,

        @Doc("Parameters with settings of their own, by patterns of their names; the first that matches counts.")
        @Default("[]")
        List<ParameterGroupSettings> parameterGroups,

        @Doc("Learning rates that fall from layer to layer.")
        Optional<LayerLrDecay> layerLrDecay,

        @Doc("Rates of dropout that stand in for the model's own; a number is the rate of all places.")
        @Shorthand(value = "all", number = true)
        Optional<DropoutRates> dropout,

        @Doc("The share of the target's probability that training spreads over all classes.")
        @Default("0.0")
        @Range(min = 0, max = 1)
        double labelSmoothingFactor,

        @Doc("The coefficient of the squared logarithm of the softmax's normalizer, added to the training loss.")
        @Default("0.0")
        @Range(min = 0)
        double zLoss,

        @Doc("The strength of the noise on token vectors while training (NEFTune).")
        @Range(min = 0, minExclusive = true)
        Optional<Double> neftuneNoiseAlpha,

        @Doc("The learning-rate schedule.")
        @Default("linear")
        @TechniqueId(kind = "lr_scheduler_type", settings = "lr_scheduler_kwargs")
        String lrSchedulerType,

        @Doc("The schedule's own settings.") @Default("{}") Block lrSchedulerKwargs,

        @Doc("Steps over which the learning rate rises from 0; below 1, a share of all steps.")
        @Default("0")
        @Range(min = 0)
        double warmupSteps,

        @Doc("A moving average of the weights, evaluated and saved in their place; none when left out.")
        Optional<WeightAverage> ema,

        @Doc("Sequences in one forward pass of training, on each device.") @Default("8") @Range(min = 1)
        int perDeviceTrainBatchSize,

        @Doc("Sequences in one forward pass of evaluation, on each device.") @Default("8") @Range(min = 1)
        int perDeviceEvalBatchSize,

        @Doc("Forward and backward passes whose gradients are summed for one step.") @Default("1") @Range(min = 1)
        int gradientAccumulationSteps,

        @Doc("How many steps to train; leave it out to use num_train_epochs.") @Default("0") @Range(min = 0)
        int maxSteps,

        @Doc("How many times to pass over the data; leave it out to use max_steps.")
        @Range(min = 0, minExclusive = true)
        Optional<Double> numTrainEpochs,

        @Doc("Steps between two lines of metrics.") @Default("10") @Range(min = 1)
        int loggingSteps,

        @Doc("Steps between two evaluations, 0 for one at the end; save_steps when left out.") @Range(min = 0)
        Optional<Integer> evalSteps,

        @Doc("Steps between two checkpoints, 0 for one at the end.") @Default("500") @Range(min = 0)
        int saveSteps,

        @Doc("How many checkpoints are kept, the best one not counted; 0 keeps all.") @Default("2") @Range(min = 0)
        int saveTotalLimit,

        @Doc(
                "Whether checkpoints are written while training goes on, from a copy that takes the memory of the weights and of the optimizer's state once more.")
        @Default("true")
        boolean saveAsync,

        @Doc("Whether the run's model is the best checkpoint's instead of the last.") @Default("false")
        boolean loadBestModelAtEnd,

        @Doc("The metric that decides which checkpoint is best.") @Default("eval_loss")
        String metricForBestModel,

        @Doc("Evaluations without a better metric after which training stops; 0 never stops early.")
        @Default("0")
        @Range(min = 0)
        int earlyStoppingPatience,

        @Doc("By how much the metric must be better to count for early_stopping_patience.")
        @Default("0.0")
        @Range(min = 0)
        double earlyStoppingThreshold,

        @Doc("Whether activations are computed again in the backward pass, to save memory.") @Default("false")
        boolean gradientCheckpointing,

        @Doc(
                "Whether each update is taken inside the backward pass and its gradient dropped, to save the memory of the gradients; needs max_grad_norm: 0 and one forward pass a step.")
        @Default("false")
        boolean optimizerInBackward,

        @Doc(
                "Whether what several rows begin with is computed once, such as a template of instructions; unless given, wherever it changes no more than rounding.")
        Optional<Boolean> prefixSharing,

        @Doc("Steps between two samples of generated text; 0 for none.") @Default("0") @Range(min = 0)
        int sampleSteps,

        @Doc("How samples begin.") @Default("") String samplePrompt,

        @Doc("How many tokens a sample adds.") @Default("64") @Range(min = 1)
        int sampleMaxNewTokens,

        @Doc("CPU threads; 0 for all.") @Default("0") @Range(min = 0)
        int threads,

        @Doc("Where to train: cpu or cuda.") @Default("cpu") String device,

        @Doc("Whether TensorBoard event files are written.") @Default("true")
        boolean tensorboard) {

    private static final String ADAFACTOR = "adafactor";

    public Recipe {
        if (adafactor) {
            // As Hugging Face's argument: the recipe's schedule sets the rate, not Adafactor itself.
            optim = ADAFACTOR;
            for (String key : List.of("scale_parameter", "relative_step")) {
                optimArgs = optimArgs.has(key) ? optimArgs : optimArgs.with(key, false);
            }
        }
        if (maxSteps == 0 && numTrainEpochs.isEmpty() && stages.isEmpty()) {
            throw new IllegalArgumentException("max_steps: expected max_steps or num_train_epochs, found neither");
        }
        if (maxSteps > 0 && numTrainEpochs.isPresent()) {
            throw new IllegalArgumentException(
                    "num_train_epochs: given beside max_steps; leave one of them out, or set it to null");
        }
        if (warmupSteps >= 1 && warmupSteps != Math.rint(warmupSteps)) {
            throw new IllegalArgumentException(
                    "warmup_steps: %s is neither a whole number of steps nor a share below 1".formatted(warmupSteps));
        }
        if (earlyStoppingThreshold > 0 && earlyStoppingPatience == 0) {
            throw new IllegalArgumentException(
                    "early_stopping_threshold: has no effect without early_stopping_patience");
        }
        if (earlyStoppingPatience > 0 && evalSteps.orElse(saveSteps) == 0) {
            throw new IllegalArgumentException(
                    "early_stopping_patience: has no effect without evaluations; set eval_steps");
        }
        if (lossScale.isPresent() && !precision.scalesLoss()) {
            throw new IllegalArgumentException("loss_scale: has no effect without precision: fp16 or dynamic");
        }
        if (dynamicPrecision.isPresent() && precision != Precision.DYNAMIC) {
            throw new IllegalArgumentException("dynamic_precision: has no effect without precision: dynamic");
        }
        if (spikeGuard.filter(g -> g.action() == SpikeGuard.Action.REWIND).isPresent() && saveSteps == 0) {
            throw new IllegalArgumentException(
                    "spike_guard: action: rewind goes back to the last checkpoint, and save_steps: 0 makes none on the way");
        }
        if (optimizerInBackward) {
            checkOptimizerInBackward(maxGradNorm, gradientAccumulationSteps, precision, spikeGuard, autoFindBatchSize);
        }
        batchSizeWarmup.ifPresent(w -> checkBatchSizeWarmup(w, perDeviceTrainBatchSize, gradientAccumulationSteps));
        if (gradientNoiseScale.isPresent() && perDeviceTrainBatchSize * (long) gradientAccumulationSteps < 2) {
            throw new IllegalArgumentException(
                    "gradient_noise_scale: needs two sequences or more in a step, found one; raise gradient_accumulation_steps");
        }
        if (gradientNoiseScale.isPresent() && optimizerInBackward) {
            throw new IllegalArgumentException(
                    "gradient_noise_scale: measures gradients that optimizer_in_backward drops; leave one of them out");
        }
        if (metricForBestModel.isBlank()) {
            throw new IllegalArgumentException("metric_for_best_model: expected a metric's name, found an empty text");
        }
        if (!device.equals("cpu") && !device.equals("cuda")) {
            throw new IllegalArgumentException("device: expected cpu or cuda, found " + Quoted.text(device));
        }
    }

    private static void checkOptimizerInBackward(
            double maxGradNorm,
            int accumulation,
            Precision precision,
            Optional<SpikeGuard> spikeGuard,
            boolean autoFindBatchSize) {
        String other = null;
        if (maxGradNorm > 0) {
            other = "max_grad_norm: %s, which needs the norm of all gradients first; set max_grad_norm: 0"
                    .formatted(maxGradNorm);
        } else if (accumulation > 1) {
            other = "gradient_accumulation_steps: %d, whose gradients have to be kept; set it to 1"
                    .formatted(accumulation);
        } else if (precision.scalesLoss()) {
            other = "precision: %s, where a step with an overflow is left out; use bf16 or fp32"
                    .formatted(precision.name().toLowerCase(Locale.ROOT));
        } else if (spikeGuard.isPresent()) {
            other = "spike_guard, which leaves out whole steps; leave one of them out";
        } else if (autoFindBatchSize) {
            other = "auto_find_batch_size, which divides steps; leave one of them out";
        }
        if (other != null) {
            throw new IllegalArgumentException(
                    "optimizer_in_backward: takes each update when its gradient is made, so it can't go with " + other);
        }
    }

    private static void checkBatchSizeWarmup(BatchSizeWarmup warmup, int rows, int accumulation) {
        long full = (long) rows * accumulation;
        if (warmup.start() % rows != 0 || warmup.start() >= full) {
            throw new IllegalArgumentException(
                    "batch_size_warmup: start: expected a multiple of per_device_train_batch_size, %d, below the whole batch of %d (times gradient_accumulation_steps), found %d"
                            .formatted(rows, full, warmup.start()));
        }
    }

    /** The recipe that a whole file describes. */
    public static Recipe from(Block block) {
        Recipe recipe = block.bind(Recipe.class);
        if (recipe.adafactor && block.has("optim") && !block.text("optim").equals(ADAFACTOR)) {
            throw Binder.bad(
                    block.position("adafactor"),
                    "adafactor: means optim: adafactor, but optim: %s is given too; leave one of them out"
                            .formatted(block.text("optim")));
        }
        return recipe;
    }

    /** The optimizers by their ids, each once: the recipe's own, then those of its parameter groups. */
    public List<String> optimizers() {
        Stream<String> groups = parameterGroups.stream().flatMap(group -> group.optim().stream());
        return Stream.concat(Stream.of(optim), groups).distinct().toList();
    }

    /** Steps between two evaluations; 0 when there is only the one at the end. */
    public int evaluationSteps() {
        return evalSteps.orElse(saveSteps);
    }
}
