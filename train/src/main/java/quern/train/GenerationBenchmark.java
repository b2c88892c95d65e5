package quern.train;

import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import quern.models.GenerationConfig;
import quern.models.Generator;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.Precision;
import quern.tensor.Device;

/**
 * Times generation by a model with random weights: the same work as {@code bench/python/generate.py}, with the same prompts
 * token for token. Every text runs to its full length.
 */
public final class GenerationBenchmark implements AutoCloseable {
    /**
     * What is timed.
     *
     * @param workload whose model it is, with positions enough; its batch and length are for training
     * @param batch texts at once
     * @param promptTokens of each text
     * @param newTokens made for each text
     * @param sampled tokens are drawn at temperature 0.8, top-k 50, top-p 0.95; otherwise the most likely one is taken
     */
    public record Settings(
            Workload workload,
            Precision precision,
            int batch,
            int promptTokens,
            int newTokens,
            boolean sampled,
            int threads,
            long seed) {}

    private static final int FEWEST_POSITIONS = 512;

    private final Settings settings;
    private final LanguageModel model;
    private final Generator generator;
    private final List<long[]> prompts;

    /** A benchmark with a new model. */
    public GenerationBenchmark(Settings settings) {
        this.settings = settings;
        ComputeThreads.use(settings.threads());
        int positions = Math.max(FEWEST_POSITIONS, settings.promptTokens() + settings.newTokens());
        ModelSpec spec = settings.workload().sized(0, positions, 0).spec();
        Block block = Block.empty(Position.of("the benchmark")).with("max_new_tokens", settings.newTokens());
        if (settings.sampled()) {
            block = block.with("do_sample", true)
                    .with("temperature", 0.8)
                    .with("top_k", 50)
                    .with("top_p", 0.95);
        }
        GenerationConfig config = block.bind(GenerationConfig.class);
        model = LanguageModel.create(spec, Preparation.dtype(settings.precision()), Device.CPU, settings.seed());
        generator = new Generator(model, config, null);
        SyntheticTokens tokens = new SyntheticTokens(settings.workload().vocabulary(), settings.seed());
        prompts = Stream.generate(() -> LongStream.generate(tokens::next)
                        .limit(settings.promptTokens())
                        .toArray())
                .limit(settings.batch())
                .toList();
    }

    /** The model's weights. */
    public long parameters() {
        return model.parameterCount();
    }

    /** One call, from the prompts to the last token: new tokens of all texts in a second. */
    public double tokensPerSecond() {
        long start = System.nanoTime();
        List<Generator.Generated> made = generator.generate(prompts);
        double seconds = (System.nanoTime() - start) / 1e9;
        return made.stream().mapToInt(g -> g.tokens().length).sum() / seconds;
    }

    @Override
    public void close() {
        model.close();
    }
}
