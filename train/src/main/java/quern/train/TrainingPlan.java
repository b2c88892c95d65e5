package quern.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.function.Consumer;
import quern.data.Batch;
import quern.data.DocumentReport;
import quern.data.TooLong;
import quern.optim.Schedule;
import quern.recipe.BatchSizeWarmup;
import quern.recipe.DynamicPrecision;
import quern.recipe.LossScale;
import quern.recipe.Precision;
import quern.recipe.Recipe;
import quern.tensor.DType;

/**
 * What a training will be, before it is begun: its size, memory, data, length and time. Memory and time come from a few
 * real steps on a model of its own, which is thrown away; nothing is written but the token cache. Memory is in bytes.
 *
 * @param family the model family
 * @param parameterCount weights, tied ones once
 * @param parameters the same by part of the model
 * @param memory what the training process needs at its peak
 * @param data what it reads
 * @param tokens how much of it
 * @param batchSize how a step's sequences go through the model
 * @param precision the arithmetic
 * @param steps optimizer steps
 * @param learningRate the schedule
 * @param time how long it takes on this machine; empty where no step was taken
 */
public record TrainingPlan(
        String family,
        long parameterCount,
        Map<String, Long> parameters,
        Memory memory,
        Data data,
        Tokens tokens,
        BatchSize batchSize,
        Arithmetic precision,
        long steps,
        LearningRate learningRate,
        Optional<Time> time) {
    /** How many batches stand for all in the mean number of tokens. */
    private static final int COUNTED_BATCHES = 8;

    /**
     * Memory in bytes.
     *
     * @param weights the model's own
     * @param gradients in the weights' dtype, or in fp32 where several micro-batches add up
     * @param optimizer the optimizer's state, fp32 masters of bf16 weights included
     * @param activations of one micro-batch, with the head's buffers and those of an evaluation; measured, 0 where no
     *     step was taken
     * @param snapshot the copies that a save writes from while training goes on
     * @param process the Java machine, the libraries and the data; measured
     * @param peak all of it together
     * @param available what the machine can give now
     * @param measured false when weights, gradients and optimizer alone are more than is available, so that no step was
     *     taken
     */
    public record Memory(
            long weights,
            long gradients,
            long optimizer,
            long activations,
            long snapshot,
            long process,
            long peak,
            long available,
            boolean measured) {}

    /**
     * The texts.
     *
     * @param documents documents with text
     * @param emptyDocuments left out, since they hold none
     * @param replacedSequences invalid UTF-8 sequences replaced by U+FFFD
     * @param bytes of text in UTF-8
     * @param trainTokens tokens to train on
     * @param validationTokens tokens held out
     * @param vocabularySize the tokenizer's
     * @param tooLong what becomes of documents longer than a row, where rows hold whole documents
     * @param notices what else there is to know, such as rows cut short
     */
    public record Data(
            long documents,
            long emptyDocuments,
            long replacedSequences,
            long bytes,
            long trainTokens,
            long validationTokens,
            int vocabularySize,
            Optional<TooLong> tooLong,
            List<String> notices) {}

    /**
     * Input tokens, padding left out.
     *
     * @param perStep in an optimizer step, on average
     * @param countedPerStep of those, the ones whose target counts in the loss
     * @param computedPerStep those that go through the model, where a step was taken: less than all where rows share what they
     *     begin with
     * @param total in the whole training
     * @param epochs how often every example is seen
     */
    public record Tokens(
            double perStep, double countedPerStep, OptionalDouble computedPerStep, double total, double epochs) {}

    /**
     * Sequences.
     *
     * @param step in an optimizer step, once a warm-up is over
     * @param first in the first step
     * @param warmupSteps steps until it is whole; 0 without a warm-up
     * @param pass that go through the model at once; by trial with auto_find_batch_size, and empty where no step was taken
     * @param found whether they were found by trial
     */
    public record BatchSize(int step, int first, int warmupSteps, OptionalInt pass, boolean found) {}

    /**
     * The arithmetic.
     *
     * @param name as the recipe has it
     * @param weights the dtype of the weights
     * @param master the dtype that the optimizer updates
     * @param lossScale how the loss is scaled, in fp16
     * @param dynamic when a segment changes to bf16, in a dynamic precision
     */
    public record Arithmetic(
            String name,
            String weights,
            String master,
            Optional<LossScale> lossScale,
            Optional<DynamicPrecision> dynamic) {}

    /**
     * The learning rate over the training.
     *
     * @param scheduler its name
     * @param first the rate of the first step
     * @param peak the highest rate
     * @param peakStep the first step that has it, counted from 1
     * @param last the rate of the last step
     */
    public record LearningRate(String scheduler, double first, double peak, long peakStep, double last) {}

    /**
     * Time by steps that were really taken; saves and samples come on top.
     *
     * @param timedSteps how many
     * @param secondsPerStep the median of their later half
     * @param secondsPerEvaluation of the whole validation text; 0 without one
     * @param evaluations how many there will be
     * @param totalSeconds of all steps and evaluations
     */
    public record Time(
            int timedSteps,
            double secondsPerStep,
            double secondsPerEvaluation,
            long evaluations,
            double totalSeconds) {}

    /**
     * Plans a training that was prepared.
     *
     * @param notes receives lines for a person to read while this takes its time
     */
    public static TrainingPlan of(Preparation preparation, Consumer<String> notes) {
        PlanTrial.Measurement trial = PlanTrial.run(preparation, notes);
        return new TrainingPlan(
                preparation.spec().family().id(),
                preparation.spec().shapes().count(),
                parts(preparation),
                trial.memory(),
                data(preparation),
                tokens(preparation, trial.computedShare()),
                batch(preparation, trial.microBatch()),
                arithmetic(preparation),
                preparation.maxSteps(),
                learningRate(preparation),
                trial.time());
    }

    private static Map<String, Long> parts(Preparation preparation) {
        Map<String, Long> parts = new LinkedHashMap<>();
        preparation.spec().shapes().parameters().forEach((name, shape) -> {
            long count = 1;
            for (long size : shape) {
                count *= size;
            }
            parts.merge(part(name), count, Long::sum);
        });
        return parts;
    }

    /** Words that families use in the names of a part's parameters; the first part with such a word has the parameter. */
    private static final Map<String, List<String>> WORDS = new LinkedHashMap<>();

    static {
        WORDS.put("norms", List.of("norm", "ln_", "_ln", ".ln"));
        WORDS.put(
                "head",
                List.of(
                        "lm_head",
                        "cls.",
                        "classifier",
                        "score",
                        "qa_outputs",
                        "pooler",
                        "head.",
                        "logit",
                        "decoder.weight",
                        "decoder.bias"));
        WORDS.put("attention", List.of("attn", "attention"));
        WORDS.put(
                "mlp",
                List.of("mlp", "fc1", "fc2", "fc_", "intermediate", "densereludense", "output.dense", "experts"));
        WORDS.put("embedding", List.of("embed", "wte", "wpe", "shared"));
        WORDS.put("projection", List.of("proj"));
        WORDS.put("halting", List.of("halting"));
        WORDS.put("latents", List.of("latents", "output_queries"));
        WORDS.put("codebook", List.of("codebook"));
        WORDS.put("convolutions", List.of("coder.patches", "coder.blocks", "coder.input", "coder.output"));
    }

    /** The part of the model that a parameter belongs to; {@code other} where its name says none. */
    static String part(String parameter) {
        String name = parameter.toLowerCase(Locale.ROOT);
        for (Map.Entry<String, List<String>> part : WORDS.entrySet()) {
            if (part.getValue().stream().anyMatch(name::contains)) {
                return part.getKey();
            }
        }
        return "other";
    }

    private static Data data(Preparation preparation) {
        DocumentReport report = preparation.store().report();
        return new Data(
                report.documents(),
                report.emptyDocuments(),
                report.replacedSequences(),
                report.bytes(),
                preparation.store().train().size(),
                preparation.store().validation().size(),
                preparation.tokenizer().vocabularySize(),
                preparation.batches().tooLong(),
                preparation.notices());
    }

    private static Tokens tokens(Preparation preparation, OptionalDouble computedShare) {
        Recipe recipe = preparation.recipe();
        long perEpoch = preparation.batches().batchesPerEpoch();
        List<Batch> some = new ArrayList<>();
        for (long i = 0; i < Math.min(COUNTED_BATCHES, perEpoch); i++) {
            some.add(preparation.batches().batch(i));
        }
        double perBatch = some.stream().mapToLong(Batch::realTokens).average().orElse(0);
        double counted = some.stream().mapToLong(Batch::countedTokens).average().orElse(0);
        double perStep = perBatch * recipe.gradientAccumulationSteps();
        double all = preparation.stepBatches().first(preparation.maxSteps());
        return new Tokens(
                perStep,
                counted * recipe.gradientAccumulationSteps(),
                computedShare.stream().map(share -> share * perStep).findFirst(),
                perBatch * all,
                all / perEpoch);
    }

    private static BatchSize batch(Preparation preparation, OptionalInt found) {
        Recipe recipe = preparation.recipe();
        int rows = recipe.perDeviceTrainBatchSize();
        return new BatchSize(
                rows * recipe.gradientAccumulationSteps(),
                rows * preparation.stepBatches().count(0),
                recipe.batchSizeWarmup().map(BatchSizeWarmup::steps).orElse(0),
                recipe.autoFindBatchSize() ? found : OptionalInt.of(rows),
                recipe.autoFindBatchSize());
    }

    private static Arithmetic arithmetic(Preparation preparation) {
        Recipe recipe = preparation.recipe();
        Precision precision = recipe.precision();
        return new Arithmetic(
                precision.name().toLowerCase(Locale.ROOT),
                preparation.dtype().toString(),
                DType.FP32.toString(),
                precision.scalesLoss() ? Optional.of(recipe.lossScale().orElse(LossScale.DEFAULT)) : Optional.empty(),
                precision == Precision.DYNAMIC
                        ? Optional.of(recipe.dynamicPrecision().orElse(DynamicPrecision.DEFAULT))
                        : Optional.empty());
    }

    private static LearningRate learningRate(Preparation preparation) {
        Schedule schedule = preparation.schedule();
        int steps = (int) preparation.maxSteps();
        double peak = schedule.rate(0);
        int peakStep = 0;
        for (int step = 1; step < steps; step++) {
            double rate = schedule.rate(step);
            if (rate > peak) {
                peak = rate;
                peakStep = step;
            }
        }
        return new LearningRate(
                preparation.recipe().lrSchedulerType(),
                schedule.rate(0),
                peak,
                peakStep + 1L,
                schedule.rate(steps - 1));
    }
}
