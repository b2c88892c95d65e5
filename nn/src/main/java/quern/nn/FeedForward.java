package quern.nn;

import java.util.List;
import java.util.Set;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * A block's feed-forward part: {@code down(act(up(x)))}, or gated {@code down(act(gate(x)) · up(x))} (Shazeer 2020,
 * arXiv:2002.05202: with SiLU this is SwiGLU). Probe point of the owner: {@code mlp_hidden}, what goes into {@code down}.
 */
public final class FeedForward implements Branch {
    private final String owner;
    private final List<Linear> inputs;
    private final boolean fused;
    private final Linear down;
    private final Activation activation;
    private final double hiddenDropout;

    /** {@code gate} may be null. */
    public FeedForward(String owner, Linear gate, Linear up, Linear down, Activation activation) {
        this(owner, gate == null ? List.of(up) : List.of(gate, up), false, down, activation, 0);
    }

    private FeedForward(
            String owner, List<Linear> inputs, boolean fused, Linear down, Activation activation, double dropout) {
        this.owner = owner;
        this.inputs = inputs;
        this.fused = fused;
        this.down = down;
        this.activation = activation;
        this.hiddenDropout = dropout;
    }

    /** A gated part whose one slot gives the gate and, behind it, the rest. */
    public static FeedForward fusedGate(String owner, Linear gateAndUp, Linear down, Activation activation) {
        return new FeedForward(owner, List.of(gateAndUp), true, down, activation, 0);
    }

    /** The same with dropout at rate {@code p} on what goes into {@code down}. */
    public FeedForward withHiddenDropout(double p) {
        return new FeedForward(owner, inputs, fused, down, activation, p);
    }

    /** What widening needs to know: the slots, and whether one of them gives gate and rest side by side. */
    record Parts(List<Linear> inputs, boolean fused, Linear down) {}

    Parts parts() {
        return new Parts(inputs, fused, down);
    }

    @Override
    public List<Parameter> closing() {
        return down.parameters();
    }

    Activation activation() {
        return activation;
    }

    /** Whether a gate multiplies what goes into {@code down}. */
    boolean isGated() {
        return fused || inputs.size() == 2;
    }

    /** Whether nothing is dropped from the inner features in this call. */
    boolean isPlain(Pass pass) {
        return rate(pass) == 0;
    }

    private double rate(Pass pass) {
        return pass.dropout(Regularization.Place.FEED_FORWARD, hiddenDropout);
    }

    @Override
    public boolean sharesPrefixes(Pass pass) {
        return isPlain(pass);
    }

    @Override
    public Set<Regularization.Kind> regularizers() {
        return Set.of(Regularization.Kind.FEED_FORWARD_DROPOUT);
    }

    @Override
    public String label() {
        return "mlp";
    }

    @Override
    public Tensor forward(Tensor x_BTD, Flow flow, Pass pass) {
        Tensor hidden = hidden(x_BTD, pass);
        hidden = SelfAttention.drop(hidden, rate(pass), "mlp_hidden_dropout", owner, pass);
        return down.forward(pass.at(owner, "mlp_hidden", hidden), pass);
    }

    private Tensor hidden(Tensor x, Pass pass) {
        Tensor first = inputs.get(0).forward(x, pass);
        if (fused) {
            long half = first.size(-1) / 2;
            return activation.apply(first.narrow(-1, 0, half)).mul(first.narrow(-1, half, half));
        }
        Tensor active = activation.apply(first);
        return inputs.size() == 1 ? active : active.mul(inputs.get(1).forward(x, pass));
    }

    @Override
    public List<Linear> linears() {
        return inputs.size() == 1 ? List.of(inputs.get(0), down) : List.of(inputs.get(0), inputs.get(1), down);
    }
}
