package quern.nn;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Products;
import quern.tensor.Tensor;

/**
 * The last segment of a language model. Without {@code targets} in the flow it writes {@code logits} [B, T, V]. With
 * {@code targets} (int64 [B, T], -100 = not counted) it writes {@code logprobs} [B, T] in fp32, the log-probability of
 * each target, 0 where not counted; and with {@code weights} (fp32 [B, T]) beside them also {@code loss} [1] in fp32,
 * {@code Σ weight · loss}: a token's loss is {@code -logprob}, and in training what {@link Regularization} makes of it.
 *
 * <p>A dense slot takes the {@link ChunkedCrossEntropy} path, which never holds the logits of more than a few hundred
 * tokens; the plain path here is its oracle.
 */
public final class LanguageModelHead extends Segment {
    private final Linear output;
    private final LogitTransform transform;

    /** A head with its slot [V, D]; the slot's weight may be tied to the embedding. */
    public LanguageModelHead(String name, Linear output) {
        this(name, output, LogitTransform.NONE);
    }

    private LanguageModelHead(String name, Linear output, LogitTransform transform) {
        super(name);
        this.output = output;
        this.transform = transform;
    }

    /** Logits are multiplied by {@code factor} (Cohere, Granite). */
    public LanguageModelHead withFactor(double factor) {
        return new LanguageModelHead(name(), output, new LogitTransform(factor, transform.softCap()));
    }

    /** Logits become {@code cap · tanh(logit / cap)} (Gemma 2), after any factor. */
    public LanguageModelHead withSoftCap(double cap) {
        return new LanguageModelHead(name(), output, new LogitTransform(transform.factor(), cap));
    }

    /**
     * How many rows a loss multiplies by the head's matrix at once, at most.
     *
     * @param dtype of the hidden states
     */
    public static int rowsAtOnce(long vocabulary, DType dtype, Device device) {
        return ChunkedCrossEntropy.rows(vocabulary, Products.dtype(dtype, device), device);
    }

    /** The slot that gives the logits. */
    Linear output() {
        return output;
    }

    /** The dense slot whose results are the logits as they are, or {@code null}. */
    DenseLinear plain() {
        return transform.equals(LogitTransform.NONE) && output.form() instanceof DenseLinear dense ? dense : null;
    }

    @Override
    public List<String> reads() {
        return List.of("hidden_states");
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of("targets", "weights");
    }

    @Override
    public List<String> writes() {
        return List.of("logits", "logprobs", "loss");
    }

    @Override
    public List<Parameter> parameters() {
        return output.parameters();
    }

    @Override
    public List<Linear> linears() {
        return List.of(output);
    }

    /** Where the tokens of what is shared have no target. */
    @Override
    public boolean sharesPrefixes(Pass pass, long longest) {
        return true;
    }

    @Override
    public Set<Regularization.Kind> regularizers() {
        return Regularization.OF_SOFTMAX;
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor x_BTD = flow.get("hidden_states");
        Tensor targets = flow.find("targets");
        if (targets == null) {
            if (pass.lastLogitsOnly()) {
                x_BTD = x_BTD.narrow(1, x_BTD.size(1) - 1, 1);
            }
            flow.put("logits", logits(x_BTD, pass));
            return;
        }
        Tensor logits = logits(x_BTD, pass);
        SoftmaxLoss.Rows rows = SoftmaxLoss.rows(logits, targets, pass.regularization());
        flow.put("logprobs", rows.logprobs());
        Tensor weights = flow.find("weights");
        if (weights != null) {
            flow.put("loss", rows.losses().mul(weights).sum().view(1));
        }
    }

    private Tensor logits(Tensor x_BTD, Pass pass) {
        return pass.at(name(), "logits", transform.apply(output.forward(x_BTD, pass)));
    }

    @Override
    public Optional<HandWritten> handWritten(Flow flow, Pass pass) {
        // The chunks give no cotangent of the weights, so weights that want one take the plain path.
        boolean constantWeights = !flow.has("weights") || !flow.get("weights").requiresGrad();
        return flow.has("targets") && constantWeights && output.form() instanceof DenseLinear dense
                ? Optional.of(new ChunkedCrossEntropy(dense, transform, pass.regularization()))
                : Optional.empty();
    }
}
