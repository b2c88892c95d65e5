package quern.models.part.feedforward;

import quern.models.part.Assembly;
import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.InitializationPart.Role;
import quern.nn.Activation;
import quern.nn.FeedForward;

/** Feed-forward parts of two maps, or of three with a gate. */
final class Maps {
    /** Widths are whole multiples of this, so that matrices fill the machine's vectors. */
    private static final int MULTIPLE = 64;

    private Maps() {}

    static FeedForward of(BlockSite site, boolean gated, Activation activation) {
        Assembly a = site.assembly();
        Composition c = site.config();
        String name = site.name() + ".mlp";
        int d = c.hiddenSize();
        int inner = c.innerWidth();
        return new FeedForward(
                site.name(),
                gated ? a.linear(Role.INNER, name + ".gate_proj", d, inner, c.mlpBias()) : null,
                a.linear(Role.INNER, name + ".up_proj", d, inner, c.mlpBias()),
                a.linear(Role.RESIDUAL, name + ".down_proj", inner, d, c.mlpBias()),
                activation);
    }

    /** Four times the stream's width, as in the first transformer. */
    static int fourfold(int hiddenSize) {
        return Math.multiplyExact(4, hiddenSize);
    }

    /** 8/3 of the stream's width, rounded up: as many weights as a part without gate of four times the width. */
    static int gated(int hiddenSize) {
        return Math.toIntExact(Math.ceilDiv(Math.ceilDiv(8L * hiddenSize, 3), (long) MULTIPLE) * MULTIPLE);
    }
}
