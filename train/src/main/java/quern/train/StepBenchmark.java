package quern.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.nn.Regularization;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.Precision;
import quern.recipe.Techniques;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Native;
import quern.tensor.OperatorParts;
import quern.tensor.kernel.KernelThreads;
import quern.tensor.kernel.PartClock;

/**
 * Times training steps of a model on a fixed stream of tokens: the same work as {@code
 * bench/python/step_time.py}, whose stream it makes token for token. One step is forward, backward, clipping at norm 1 and
 * AdamW, as the trainer takes it.
 */
public final class StepBenchmark {
    /**
     * What is timed.
     *
     * @param steps timed steps
     * @param warmup steps before them
     * @param group steps a reported rate covers
     * @param partSteps steps after them that are divided into parts; 0 for none
     * @param ceilingRounds rounds in which the ceiling is measured at the end; 0 for none
     */
    public record Settings(
            Workload workload,
            Precision precision,
            int steps,
            int warmup,
            int group,
            int partSteps,
            int ceilingRounds,
            int threads,
            long seed) {}

    /** A group of steps; times in seconds a step. */
    public record Group(int step, double tokensPerSec, double stepSeconds, double loss, double peakRssMb) {}

    /**
     * How a step's time by the clock divides.
     *
     * @param stepSeconds a step's time while the clock of parts runs
     * @param shares of that time by part, in lower case; {@code waiting} is a kernel thread's waiting for others
     */
    public record Parts(int steps, double stepSeconds, Map<String, Double> shares) {}

    /**
     * The whole run.
     *
     * @param processorShare the processor time of the timed steps over their time by the clock and the threads
     * @param pageFaultsPerStep first touches of memory in the timed steps (minor faults)
     * @param modelGflop what a step computes: 6·N·tokens + 12·L·d·T·tokens, N without tables that are only looked up
     * @param shareOfCeiling {@code modelGflop} a second over the ceiling
     */
    public record Result(
            String engine,
            String model,
            long parameters,
            int batch,
            int length,
            int vocabulary,
            String precision,
            int threads,
            double tokensPerSec,
            double tokensPerSecMin,
            double tokensPerSecMax,
            double firstLoss,
            double loss,
            double peakRssMb,
            double processorShare,
            double pageFaultsPerStep,
            double modelGflop,
            Optional<Parts> parts,
            Optional<GemmCeiling> ceiling,
            Optional<Double> shareOfCeiling) {}

    private static final double DECAY = 0.1;
    private static final double RATE = 6e-4;
    /** Rows that the head takes at a time. */
    private static final int HEAD_ROWS = 512;

    private StepBenchmark() {}

    /** Runs the steps; {@code groups} hears each group as it ends. */
    public static Result run(Settings s, Consumer<Group> groups) {
        Native.setThreads(s.threads());
        KernelThreads.setCount(s.threads());
        Workload work = s.workload();
        DType dtype = Preparation.dtype(s.precision());
        OptimizerTechnique adamw = Techniques.find(
                OptimizerTechnique.class, OptimizerTechnique.KIND, "adamw", Position.of("the benchmark"));
        Record adamwConfig = Block.empty(Position.of("the benchmark")).bind(adamw.config());
        List<Double> rates = new ArrayList<>();
        try (LanguageModel model = LanguageModel.create(work.spec(), dtype, Device.CPU, s.seed());
                Optimizer optimizer = adamw.create(
                        List.of(ParameterGroup.of(model.parameters())),
                        new OptimizerSettings(DECAY, 0.9, 0.95, 1e-8),
                        adamwConfig)) {
            Steps steps = new Steps(
                    work,
                    new TrainingStep(
                            model.network(),
                            Device.CPU,
                            optimizer,
                            new GradientClipping(1.0),
                            Regularization.NONE,
                            s.seed()),
                    s.seed());
            warmUp(model, steps, s);
            ProcessUse before = ProcessUse.read();
            double timed = 0;
            for (int from = 0; from < s.steps(); from += s.group()) {
                int n = Math.min(s.group(), s.steps() - from);
                double seconds = steps.take(n);
                timed += seconds;
                rates.add(n * work.tokens() / seconds);
                groups.accept(new Group(from + n, rates.getLast(), seconds / n, steps.last, peakResidentMegabytes()));
            }
            ProcessUse used = ProcessUse.read().minus(before);
            double peak = peakResidentMegabytes();
            Optional<Parts> parts = s.partSteps() == 0 ? Optional.empty() : Optional.of(parts(model, steps, s));
            Optional<GemmCeiling> ceiling = s.ceilingRounds() == 0
                    ? Optional.empty()
                    : Optional.of(GemmCeiling.measure(work.products(HEAD_ROWS), dtype, s.ceilingRounds()));
            double[] sorted =
                    rates.stream().mapToDouble(Double::doubleValue).sorted().toArray();
            double median = (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
            double gflop = work.flops(model.parameterCount()) / 1e9;
            return new Result(
                    "quern",
                    work.label(),
                    model.parameterCount(),
                    work.batch(),
                    work.length(),
                    work.vocabulary(),
                    s.precision().name().toLowerCase(Locale.ROOT),
                    s.threads(),
                    median,
                    sorted[0],
                    sorted[sorted.length - 1],
                    steps.first,
                    steps.last,
                    peak,
                    used.seconds() / timed / s.threads(),
                    (double) used.faults() / s.steps(),
                    gflop,
                    parts,
                    ceiling,
                    ceiling.map(c -> gflop * median / work.tokens() / c.gflops()));
        }
    }

    private static Parts parts(LanguageModel model, Steps steps, Settings s) {
        PartClock.Times times = divided(model, steps, s.partSteps());
        Map<String, Double> shares = new LinkedHashMap<>();
        times.parts()
                .forEach(
                        (part, seconds) -> shares.put(part.name().toLowerCase(Locale.ROOT), seconds / times.seconds()));
        shares.put("waiting", times.waiting() / times.seconds());
        return new Parts(s.partSteps(), times.seconds() / s.partSteps(), shares);
    }

    private static PartClock.Times divided(LanguageModel model, Steps steps, int count) {
        StepParts hook = new StepParts();
        model.network().addHook(hook);
        try (OperatorParts operators = OperatorParts.listen()) {
            List<Batch> batches = steps.batches(count);
            PartClock.start();
            steps.take(batches);
            return PartClock.stop();
        } finally {
            model.network().removeHook(hook);
        }
    }

    /**
     * Where parts are wanted the clock runs in the step before the last: compiled code that never saw it running would be
     * thrown away when it starts.
     */
    private static void warmUp(LanguageModel model, Steps steps, Settings s) {
        int divided = s.partSteps() > 0 && s.warmup() > 1 ? 1 : 0;
        int before = Math.max(0, s.warmup() - 1 - divided);
        steps.take(before);
        if (divided > 0) {
            divided(model, steps, divided);
        }
        steps.take(s.warmup() - before - divided);
    }

    /** Steps on the stream of tokens, one after another. */
    private static final class Steps {
        private final Workload work;
        private final TrainingStep step;
        private final long[] state;
        private int taken;
        double first;
        double last;

        Steps(Workload work, TrainingStep step, long seed) {
            this.work = work;
            this.step = step;
            this.state = new long[] {seed};
        }

        List<Batch> batches(int count) {
            List<Batch> batches = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                batches.add(batch(work, state));
            }
            return batches;
        }

        /** Seconds that {@code count} steps take, making the batches not counted. */
        double take(int count) {
            return take(batches(count));
        }

        double take(List<Batch> batches) {
            long start = System.nanoTime();
            for (Batch batch : batches) {
                last = step.take(taken, List.of(batch), RATE).loss();
                first = taken == 0 ? last : first;
                taken++;
            }
            return (System.nanoTime() - start) / 1e9;
        }
    }

    /** The next rows of T + 1 tokens; small ids are frequent, so that the loss falls. */
    private static Batch batch(Workload work, long[] state) {
        int[] inputs = new int[work.tokens()];
        int[] labels = new int[inputs.length];
        for (int row = 0; row < work.batch(); row++) {
            int before = token(work, state);
            for (int i = 0; i < work.length(); i++) {
                int next = token(work, state);
                inputs[row * work.length() + i] = before;
                labels[row * work.length() + i] = next;
                before = next;
            }
        }
        int[] lengths = new int[work.batch()];
        Arrays.fill(lengths, work.length());
        return new Batch(work.batch(), work.length(), inputs, labels, lengths);
    }

    private static int token(Workload work, long[] state) {
        state[0] = 6364136223846793005L * state[0] + 1442695040888963407L;
        double u = (state[0] >>> 11) * 0x1p-53;
        return (int) Math.pow(work.vocabulary(), u) - 1;
    }

    private static double peakResidentMegabytes() {
        return ProcessMemory.read().peak() / 1e6;
    }
}
