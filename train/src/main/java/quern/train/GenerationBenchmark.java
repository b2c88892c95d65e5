package quern.train;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import quern.models.GenerationConfig;
import quern.models.Generator;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.models.SpecialTokens;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.Precision;
import quern.recipe.QuernException;
import quern.tensor.Device;

/**
 * Times generation by a model with random weights: the same work as {@code bench/python/generate.py}, with the same prompts
 * token for token. Every text runs to its full length.
 */
public final class GenerationBenchmark implements AutoCloseable {
    /** The models that can be named. */
    public enum Model {
        /** 8 layers of width 512, grouped queries 8/4, 32,000 tokens, a head of its own. */
        LLAMA_56M(32000),
        /** GPT-2, 6 layers of width 384. */
        GPT_30M(50304),
        /** GPT-2, 12 layers of width 768. */
        GPT_124M(50304);

        final int vocabulary;

        Model(int vocabulary) {
            this.vocabulary = vocabulary;
        }

        /** The name on the command line: {@code llama-56m}, {@code 30m}, {@code 124m}. */
        public String label() {
            return name().replace("GPT_", "").replace('_', '-').toLowerCase(Locale.ROOT);
        }

        /** The model of that name. */
        public static Model of(String label) {
            return Arrays.stream(values())
                    .filter(m -> m.label().equals(label))
                    .findFirst()
                    .orElseThrow(() -> QuernException.badInput(
                            "model: found '%s', expected one of %s",
                            label,
                            String.join(
                                    ", ",
                                    Arrays.stream(values()).map(Model::label).toList())));
        }

        private Block settings(int positions) {
            Block block = Block.empty(Position.of("the benchmark"))
                    .with("vocab_size", vocabulary)
                    .with("max_position_embeddings", positions);
            if (this == LLAMA_56M) {
                return block.with("family", "llama")
                        .with("hidden_size", 512)
                        .with("intermediate_size", 1408)
                        .with("num_hidden_layers", 8)
                        .with("num_attention_heads", 8)
                        .with("num_key_value_heads", 4)
                        .with("tie_word_embeddings", false);
            }
            boolean small = this == GPT_30M;
            return block.with("family", "gpt2")
                    .with("hidden_size", small ? 384 : 768)
                    .with("num_hidden_layers", small ? 6 : 12)
                    .with("num_attention_heads", small ? 6 : 12);
        }
    }

    /**
     * What is timed.
     *
     * @param batch texts at once
     * @param promptTokens of each text
     * @param newTokens made for each text
     * @param sampled tokens are drawn at temperature 0.8, top-k 50, top-p 0.95; otherwise the most likely one is taken
     */
    public record Settings(
            Model model,
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
        ModelSpec spec = ModelSpec.fromRecipe(
                settings.model().settings(positions), settings.model().vocabulary, SpecialTokens.NONE);
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
        long[] state = {settings.seed()};
        prompts = Stream.generate(() -> prompt(state)).limit(settings.batch()).toList();
    }

    private long[] prompt(long[] state) {
        long[] ids = new long[settings.promptTokens()];
        for (int i = 0; i < ids.length; i++) {
            state[0] = 6364136223846793005L * state[0] + 1442695040888963407L;
            double u = (state[0] >>> 11) * 0x1p-53;
            ids[i] = (long) Math.pow(settings.model().vocabulary, u) - 1;
        }
        return ids;
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

    /** The most memory the process had resident so far. */
    public static double peakResidentMegabytes() {
        return ProcessMemory.read().peak() / 1e6;
    }

    @Override
    public void close() {
        model.close();
    }
}
