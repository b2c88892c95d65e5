package quern.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import quern.data.BatchSource;
import quern.nn.LanguageModelHead;
import quern.recipe.Block;
import quern.recipe.Precision;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.OperatorParts;
import quern.tensor.kernel.PartClock;

/**
 * Times training steps: of a {@link Workload} on a fixed stream of tokens, the same work as {@code
 * bench/python/step_time.py}, whose stream it makes token for token; or of a recipe's training.
 */
public final class StepBenchmark {
    /**
     * How it is timed.
     *
     * @param steps timed steps
     * @param warmup steps before them
     * @param group steps a reported rate covers
     * @param partSteps steps after them that are divided into parts; 0 for none
     * @param ceilingRounds rounds in which the ceiling is measured at the end; 0 for none
     * @param threads 0 for those of the recipe, or one a processor
     */
    public record Settings(int steps, int warmup, int group, int partSteps, int ceilingRounds, int threads) {}

    /** A group of steps; times in seconds a step, tokens as in {@link Result}. */
    public record Group(
            int step,
            double tokensPerSec,
            double countedTokensPerSec,
            double stepSeconds,
            double loss,
            double peakRssMb) {}

    /**
     * How a step's time by the clock divides.
     *
     * @param stepSeconds a step's time while the clock of parts runs
     * @param shares of that time by part, in lower case; {@code waiting} is a kernel thread's waiting for others
     */
    public record Parts(int steps, double stepSeconds, Map<String, Double> shares) {}

    /**
     * What is timed, as it says of itself before the first step that counts.
     *
     * @param batch rows a step
     * @param length tokens a row, at most
     * @param rows of a recipe's training data
     */
    public record Subject(
            String engine,
            String model,
            long parameters,
            int batch,
            int length,
            int vocabulary,
            Optional<Long> rows,
            String precision,
            int threads) {}

    /**
     * The whole run.
     *
     * @param tokensPerSec real tokens; the median of the groups
     * @param countedTokensPerSec tokens whose loss counts
     * @param processorShare the processor time of the timed steps over their time by the clock and the threads
     * @param pageFaultsPerStep first touches of memory in the timed steps (minor faults)
     * @param modelGflop what a step of a workload computes: 6·N·tokens + 12·L·d·T·tokens, N without tables that are only
     *     looked up
     * @param shareOfCeiling {@code modelGflop} a second over the ceiling
     */
    public record Result(
            Subject subject,
            double tokensPerSec,
            double tokensPerSecMin,
            double tokensPerSecMax,
            double countedTokensPerSec,
            double firstLoss,
            double loss,
            double peakRssMb,
            double processorShare,
            double pageFaultsPerStep,
            Optional<Parts> parts,
            Optional<Double> modelGflop,
            Optional<GemmCeiling> ceiling,
            Optional<Double> shareOfCeiling) {}

    /** Who hears how it goes, and says when. */
    public interface Listener {
        /** After the steps of warming up. */
        default void begins(Subject subject) {}

        /** Before a group of steps: false to end here, however many steps were asked for, but not before the first. */
        default boolean goesOn() {
            return true;
        }

        /** After it. */
        void ended(Group group);
    }

    private static final long SEED = 1337;

    private final Settings settings;
    private final Listener listener;
    private final TimedSteps steps;

    private StepBenchmark(Settings settings, Listener listener, TimedSteps steps) {
        this.settings = settings;
        this.listener = listener;
        this.steps = steps;
    }

    /** Times a workload. */
    public static Result run(Workload work, Precision precision, Settings s, Listener listener) {
        ComputeThreads.use(s.threads());
        DType dtype = Preparation.dtype(precision);
        try (TimedSteps steps = TimedSteps.of(work, dtype, SEED)) {
            long parameters = steps.model().parameterCount();
            Subject subject = new Subject(
                    "quern",
                    work.label(),
                    parameters,
                    work.batch(),
                    work.length(),
                    work.vocabulary(),
                    Optional.empty(),
                    precision.name().toLowerCase(Locale.ROOT),
                    ComputeThreads.count(s.threads()));
            Result timed = new StepBenchmark(s, listener, steps).run(subject);
            double gflop = work.flops(parameters) / 1e9;
            Optional<GemmCeiling> ceiling = s.ceilingRounds() == 0
                    ? Optional.empty()
                    : Optional.of(GemmCeiling.measure(
                            work.products(LanguageModelHead.rowsAtOnce(work.vocabulary(), dtype, Device.CPU)),
                            dtype,
                            s.ceilingRounds()));
            return new Result(
                    subject,
                    timed.tokensPerSec,
                    timed.tokensPerSecMin,
                    timed.tokensPerSecMax,
                    timed.countedTokensPerSec,
                    timed.firstLoss,
                    timed.loss,
                    timed.peakRssMb,
                    timed.processorShare,
                    timed.pageFaultsPerStep,
                    timed.parts,
                    Optional.of(gflop),
                    ceiling,
                    ceiling.map(c -> gflop * timed.tokensPerSec / work.tokens() / c.gflops()));
        }
    }

    /**
     * Times the steps of a recipe's training; nothing is saved.
     *
     * @param notes lines about the preparation
     */
    public static Result run(String label, Block recipe, Settings s, Consumer<String> notes, Listener listener) {
        Preparation preparation = Preparation.of(recipe, notes);
        int threads = ComputeThreads.count(
                s.threads() > 0 ? s.threads() : preparation.recipe().threads());
        ComputeThreads.use(threads);
        try (TimedSteps steps = TimedSteps.of(preparation)) {
            Subject subject = new Subject(
                    "quern",
                    label,
                    steps.model().parameterCount(),
                    preparation.recipe().perDeviceTrainBatchSize()
                            * preparation.recipe().gradientAccumulationSteps(),
                    preparation.data().maxLength(),
                    preparation.tokenizer().vocabularySize(),
                    Optional.of(rows(preparation.batches())),
                    preparation.recipe().precision().name().toLowerCase(Locale.ROOT),
                    threads);
            return new StepBenchmark(s, listener, steps).run(subject);
        }
    }

    /** Those of an epoch, whose last batch may have fewer. */
    private static long rows(BatchSource batches) {
        long last = batches.batchesPerEpoch() - 1;
        long whole = last == 0 ? 0 : last * batches.batch(0).rows();
        return whole + batches.batch(last).rows();
    }

    private Result run(Subject subject) {
        warmUp();
        listener.begins(subject);
        List<Double> rates = new ArrayList<>();
        List<Double> countedRates = new ArrayList<>();
        double seconds = 0;
        double processorSeconds = 0;
        long faults = 0;
        int taken = 0;
        while (taken < settings.steps() && listener.goesOn()) {
            TimedSteps.Taken group = steps.take(Math.min(settings.group(), settings.steps() - taken));
            seconds += group.seconds();
            processorSeconds += group.used().seconds();
            faults += group.used().faults();
            taken += group.steps();
            rates.add(group.tokens() / group.seconds());
            countedRates.add(group.counted() / group.seconds());
            listener.ended(new Group(
                    taken,
                    rates.getLast(),
                    countedRates.getLast(),
                    group.seconds() / group.steps(),
                    steps.last(),
                    ProcessMemory.peakMegabytes()));
        }
        if (taken == 0) {
            throw new IllegalStateException("the listener ended it before the first group");
        }
        double peak = ProcessMemory.peakMegabytes();
        double first = steps.first();
        double last = steps.last();
        return new Result(
                subject,
                median(rates),
                rates.stream().mapToDouble(Double::doubleValue).min().orElseThrow(),
                rates.stream().mapToDouble(Double::doubleValue).max().orElseThrow(),
                median(countedRates),
                first,
                last,
                peak,
                processorSeconds / seconds / subject.threads(),
                (double) faults / taken,
                settings.partSteps() == 0 ? Optional.empty() : Optional.of(parts()),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
    }

    private static double median(List<Double> values) {
        return Median.of(values.stream().mapToDouble(Double::doubleValue).toArray());
    }

    private Parts parts() {
        PartClock.Times times = divided(settings.partSteps());
        Map<String, Double> shares = new LinkedHashMap<>();
        times.parts()
                .forEach(
                        (part, seconds) -> shares.put(part.name().toLowerCase(Locale.ROOT), seconds / times.seconds()));
        shares.put("waiting", times.waiting() / times.seconds());
        return new Parts(settings.partSteps(), times.seconds() / settings.partSteps(), shares);
    }

    private PartClock.Times divided(int count) {
        StepParts hook = new StepParts();
        steps.model().network().addHook(hook);
        try (OperatorParts operators = OperatorParts.listen()) {
            steps.ready(count);
            PartClock.start();
            steps.take(count);
            return PartClock.stop();
        } finally {
            steps.model().network().removeHook(hook);
        }
    }

    /**
     * Where parts are wanted the clock runs in the step before the last: compiled code that never saw it running would be
     * thrown away when it starts.
     */
    private void warmUp() {
        int divided = settings.partSteps() > 0 && settings.warmup() > 1 ? 1 : 0;
        int before = Math.max(0, settings.warmup() - 1 - divided);
        steps.take(before);
        if (divided > 0) {
            divided(divided);
        }
        steps.take(settings.warmup() - before - divided);
    }
}
