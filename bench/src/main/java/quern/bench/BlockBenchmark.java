package quern.bench;

import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
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
import quern.nn.Network;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.nn.TransformerBlock;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/**
 * Forward and backward of one decoder block behind its embedding, on 4 rows of 256 tokens: in the form that training chooses
 * here, which is the hand-written one where it pays, beside the plain form by libtorch's operators and autograd.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class BlockBenchmark {
    private static final long ROWS = 4;
    private static final long LENGTH = 256;
    private static final int VOCABULARY = 256;

    /** GPT-2's block or Llama's. */
    @Param({"gpt2", "llama"})
    public String family;

    /** Features of the residual stream; heads are 64 wide. */
    @Param({"384", "768"})
    public int width;

    /** The dtype of weights and activations. */
    @Param({"BF16", "FP32"})
    public DType dtype;

    /** Whether the plain form is taken. */
    @Param({"false", "true"})
    public boolean plain;

    private LanguageModel model;
    private Network part;
    private String block;
    private Tensor ids;
    private Tensor cotangent;

    /** A model of one block, cut off behind it. */
    @Setup(Level.Trial)
    public void setUp() {
        model = LanguageModel.create(spec(), dtype, Device.CPU, 1);
        int last = 0;
        while (!(model.network().visits().get(last) instanceof TransformerBlock)) {
            last++;
        }
        block = model.network().visits().get(last).name();
        part = model.network().part(0, last + 1);
        try (quern.tensor.Scope scope = quern.tensor.Scope.open()) {
            RandomStream random = new RandomStream(1);
            ids = Tensor.empty(DType.FP32, Device.CPU, ROWS, LENGTH)
                    .uniform_(0, VOCABULARY - 1, random)
                    .to(DType.INT64)
                    .keep();
            cotangent = Tensor.randn(random, ROWS, LENGTH, width).to(dtype).keep();
        }
    }

    private ModelSpec spec() {
        Block settings = Block.empty(Position.of("the benchmark")).with("family", family);
        settings = family.equals("llama")
                ? settings.with("num_hidden_layers", 1)
                        .with("num_attention_heads", width / 64)
                        .with("num_key_value_heads", width / 128)
                        .with("hidden_size", width)
                        .with("max_position_embeddings", (int) LENGTH)
                : settings.with("n_layer", 1)
                        .with("n_head", width / 64)
                        .with("n_embd", width)
                        .with("n_positions", (int) LENGTH)
                        .with("resid_pdrop", 0.0)
                        .with("embd_pdrop", 0.0)
                        .with("attn_pdrop", 0.0);
        return ModelSpec.fromRecipe(settings.with("vocab_size", VOCABULARY), VOCABULARY, SpecialTokens.NONE);
    }

    /** Frees the model. */
    @TearDown(Level.Trial)
    public void tearDown() {
        ids.close();
        cotangent.close();
        model.close();
    }

    /** Forward, backward, and the gradients dropped. */
    @Benchmark
    public void forwardBackward() {
        Pass pass = Pass.training(1);
        if (plain) {
            // A segment with a probe takes its plain form; this point is never reached.
            pass = pass.probe(block + "/none", x -> x);
        }
        try (quern.tensor.Scope scope = quern.tensor.Scope.open();
                Tape tape = part.forward(new Flow().put("input_ids", ids), pass)) {
            tape.backward(Map.of("hidden_states", cotangent));
        }
        part.parameters().forEach(Parameter::clearGrad);
    }
}
