package quern.nn;

import java.util.List;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * A block's feed-forward part: {@code down(act(up(x)))}, or gated {@code down(act(gate(x)) · up(x))} (Shazeer 2020,
 * arXiv:2002.05202: with SiLU this is SwiGLU). Probe point of the owner: {@code mlp_hidden}, what goes into {@code down}.
 */
public final class FeedForward {
    private final String owner;
    private final Linear gate;
    private final Linear up;
    private final Linear down;
    private final Activation activation;

    /** {@code gate} may be null. */
    public FeedForward(String owner, Linear gate, Linear up, Linear down, Activation activation) {
        this.owner = owner;
        this.gate = gate;
        this.up = up;
        this.down = down;
        this.activation = activation;
    }

    /** x [B, T, D] to [B, T, D]. */
    public Tensor forward(Tensor x, Pass pass) {
        Tensor hidden = gate == null
                ? activation.apply(up.forward(x, pass))
                : activation.apply(gate.forward(x, pass)).mul(up.forward(x, pass));
        return down.forward(pass.at(owner, "mlp_hidden", hidden), pass);
    }

    /** The slots. */
    public List<Linear> linears() {
        return gate == null ? List.of(up, down) : List.of(gate, up, down);
    }

    /** The slots' parameters. */
    public List<Parameter> parameters() {
        return linears().stream().flatMap(l -> l.parameters().stream()).toList();
    }
}
