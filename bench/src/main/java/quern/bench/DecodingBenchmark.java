package quern.bench;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.models.SpecialTokens;
import quern.nn.Flow;
import quern.nn.FusedDecoder;
import quern.nn.KeyValueCache;
import quern.nn.Pass;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/** A step of generation by a Llama of 56 M weights, behind texts of 32 tokens and more: the one kernel beside the plain form. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 4, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class DecodingBenchmark {
    private static final int PROMPT = 32;
    private static final int STEPS = 64;
    private static final int VOCABULARY = 32_000;

    /** Texts that grow together. */
    @Param({"1", "8"})
    public int rows;

    /** The dtype of the weights. */
    @Param({"BF16", "FP32"})
    public DType dtype;

    private LanguageModel model;
    private FusedDecoder decoder;
    private KeyValueCache cache;

    /** A model with random weights. */
    @Setup(Level.Trial)
    public void setUp() {
        Block settings = Block.empty(Position.of("the benchmark"))
                .with("family", "llama")
                .with("num_hidden_layers", 8)
                .with("num_attention_heads", 8)
                .with("num_key_value_heads", 4)
                .with("hidden_size", 512)
                .with("intermediate_size", 1408)
                .with("max_position_embeddings", PROMPT + STEPS)
                .with("vocab_size", VOCABULARY);
        model = LanguageModel.create(
                ModelSpec.fromRecipe(settings, VOCABULARY, SpecialTokens.NONE), dtype, Device.CPU, 1);
        decoder = FusedDecoder.of(model.network(), rows).orElseThrow();
    }

    /** Reads the prompts. */
    @Setup(Level.Invocation)
    public void read() {
        cache = new KeyValueCache();
        plain(PROMPT);
    }

    /** Drops what was generated. */
    @TearDown(Level.Invocation)
    public void drop() {
        cache.close();
    }

    /** Frees the model. */
    @TearDown(Level.Trial)
    public void tearDown() {
        model.close();
    }

    /** The one kernel. */
    @Benchmark
    @OperationsPerInvocation(STEPS)
    public float kernel() {
        float sum = 0;
        for (int step = 0; step < STEPS; step++) {
            sum += decoder.step(token(), new int[rows], cache)[0];
        }
        return sum;
    }

    /** The plain form, by libtorch's operators. */
    @Benchmark
    @OperationsPerInvocation(STEPS)
    public void plain() {
        for (int step = 0; step < STEPS; step++) {
            plain(1);
        }
    }

    private void plain(int columns) {
        try (quern.tensor.Scope scope = quern.tensor.Scope.open()) {
            long[] ids = new long[rows * columns];
            Arrays.setAll(ids, i -> 31L * (i + cache.length()) % VOCABULARY);
            model.network()
                    .infer(
                            new Flow().put("input_ids", Tensor.of(ids, rows, columns)),
                            Pass.evaluation().withLastLogitsOnly().withCache(cache));
        }
    }

    private long[] token() {
        long[] ids = new long[rows];
        Arrays.setAll(ids, i -> 31L * (i + cache.length()) % VOCABULARY);
        return ids;
    }
}
