package quern.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.models.SpecialTokens;
import quern.nn.Regularization;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.Precision;
import quern.recipe.QuernException;
import quern.recipe.Techniques;
import quern.tensor.DType;
import quern.tensor.Device;

/**
 * Times training steps of a GPT-2 shaped model on a fixed stream of tokens: the same work as {@code
 * bench/python/step_time.py}, whose stream it makes token for token. One step is forward, backward, clipping at norm 1 and
 * AdamW, as the trainer takes it.
 */
public final class StepBenchmark {
    /** The sizes that can be named. */
    public enum Size {
        /** nanoGPT's model on the character text: 4 layers of width 128. */
        CHAR(4, 4, 128, 65, 12, 64),
        /** 6 layers of width 384, 50,304 tokens. */
        GPT_30M(6, 6, 384, 50304, 8, 256),
        /** 12 layers of width 768, 50,304 tokens. */
        GPT_124M(12, 12, 768, 50304, 4, 512);

        final int layers;
        final int heads;
        final int width;
        final int vocabulary;
        final int batch;
        final int length;

        Size(int layers, int heads, int width, int vocabulary, int batch, int length) {
            this.layers = layers;
            this.heads = heads;
            this.width = width;
            this.vocabulary = vocabulary;
            this.batch = batch;
            this.length = length;
        }

        /** The name on the command line: {@code char}, {@code 30m}, {@code 124m}. */
        public String label() {
            return name().replace("GPT_", "").toLowerCase(Locale.ROOT);
        }

        /** The size of that name. */
        public static Size of(String label) {
            return Arrays.stream(values())
                    .filter(s -> s.label().equals(label))
                    .findFirst()
                    .orElseThrow(() -> QuernException.badInput(
                            "workload: found '%s', expected one of %s",
                            label,
                            String.join(
                                    ", ",
                                    Arrays.stream(values()).map(Size::label).toList())));
        }
    }

    /**
     * What is timed.
     *
     * @param steps timed steps
     * @param warmup steps before them
     * @param group steps a reported rate covers
     */
    public record Settings(Size size, Precision precision, int steps, int warmup, int group, int threads, long seed) {}

    /** A group of steps; times in seconds a step. */
    public record Group(int step, double tokensPerSec, double stepSeconds, double loss, double peakRssMb) {}

    /** The whole run. */
    public record Result(
            String engine,
            String model,
            long parameters,
            int batch,
            int length,
            String precision,
            int threads,
            double tokensPerSec,
            double tokensPerSecMin,
            double tokensPerSecMax,
            double firstLoss,
            double loss,
            double peakRssMb) {}

    private static final double DECAY = 0.1;
    private static final double RATE = 6e-4;

    private StepBenchmark() {}

    /** Runs the steps; {@code groups} hears each group as it ends. */
    public static Result run(Settings s, Consumer<Group> groups) {
        ComputeThreads.use(s.threads());
        Size size = s.size();
        DType dtype = Preparation.dtype(s.precision());
        Block block = Block.empty(Position.of("the benchmark"))
                .with("family", "gpt2")
                .with("n_layer", size.layers)
                .with("n_head", size.heads)
                .with("n_embd", size.width)
                .with("n_positions", size.length)
                .with("vocab_size", size.vocabulary)
                .with("resid_pdrop", 0.0)
                .with("embd_pdrop", 0.0)
                .with("attn_pdrop", 0.0);
        ModelSpec spec = ModelSpec.fromRecipe(block, size.vocabulary, SpecialTokens.NONE);
        OptimizerTechnique adamw = Techniques.find(
                OptimizerTechnique.class, OptimizerTechnique.KIND, "adamw", Position.of("the benchmark"));
        Record adamwConfig = Block.empty(Position.of("the benchmark")).bind(adamw.config());
        long[] state = {s.seed()};
        try (LanguageModel model = LanguageModel.create(spec, dtype, Device.CPU, s.seed());
                Optimizer optimizer = adamw.create(
                        List.of(ParameterGroup.of(model.parameters())),
                        new OptimizerSettings(DECAY, 0.9, 0.95, 1e-8),
                        adamwConfig)) {
            TrainingStep step = new TrainingStep(
                    model.network(), Device.CPU, optimizer, new GradientClipping(1.0), Regularization.NONE, s.seed());
            double first = 0;
            double last = 0;
            for (int i = 0; i < s.warmup(); i++) {
                last = step.take(i, List.of(batch(size, state)), RATE).loss();
                first = i == 0 ? last : first;
            }
            List<Double> rates = new ArrayList<>();
            for (int from = 0; from < s.steps(); from += s.group()) {
                int n = Math.min(s.group(), s.steps() - from);
                List<Batch> batches = new ArrayList<>();
                for (int i = 0; i < n; i++) {
                    batches.add(batch(size, state));
                }
                long start = System.nanoTime();
                for (int i = 0; i < n; i++) {
                    last = step.take(s.warmup() + from + i, List.of(batches.get(i)), RATE)
                            .loss();
                }
                double seconds = (System.nanoTime() - start) / 1e9;
                rates.add(n * size.batch * size.length / seconds);
                groups.accept(new Group(from + n, rates.getLast(), seconds / n, last, peakResidentMegabytes()));
            }
            double[] sorted =
                    rates.stream().mapToDouble(Double::doubleValue).sorted().toArray();
            double median = (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
            return new Result(
                    "quern",
                    size.label(),
                    model.parameterCount(),
                    size.batch,
                    size.length,
                    s.precision().name().toLowerCase(Locale.ROOT),
                    s.threads(),
                    median,
                    sorted[0],
                    sorted[sorted.length - 1],
                    first,
                    last,
                    peakResidentMegabytes());
        }
    }

    /** The next rows of T + 1 tokens; small ids are frequent, so that the loss falls. */
    private static Batch batch(Size size, long[] state) {
        int[] inputs = new int[size.batch * size.length];
        int[] labels = new int[inputs.length];
        for (int row = 0; row < size.batch; row++) {
            int before = token(size, state);
            for (int i = 0; i < size.length; i++) {
                int next = token(size, state);
                inputs[row * size.length + i] = before;
                labels[row * size.length + i] = next;
                before = next;
            }
        }
        int[] lengths = new int[size.batch];
        Arrays.fill(lengths, size.length);
        return new Batch(size.batch, size.length, inputs, labels, lengths);
    }

    private static int token(Size size, long[] state) {
        state[0] = 6364136223846793005L * state[0] + 1442695040888963407L;
        double u = (state[0] >>> 11) * 0x1p-53;
        return (int) Math.pow(size.vocabulary, u) - 1;
    }

    private static double peakResidentMegabytes() {
        return ProcessMemory.read().peak() / 1e6;
    }
}
