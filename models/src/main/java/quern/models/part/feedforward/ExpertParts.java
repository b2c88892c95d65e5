package quern.models.part.feedforward;

import java.util.List;
import java.util.stream.IntStream;
import quern.models.part.Assembly;
import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.InitializationPart.Role;
import quern.models.part.Stack;
import quern.models.part.structure.NoSharing;
import quern.nn.FeedForward;
import quern.nn.MixtureOfExperts;
import quern.nn.RouterLoss;
import quern.nn.Segment;

/** What mixtures of experts share. */
final class ExpertParts {
    private ExpertParts() {}

    static MixtureOfExperts of(BlockSite site, int experts, int topK, ExpertKind kind) {
        Assembly a = site.assembly();
        Composition c = site.config();
        String name = site.name() + ".mlp";
        int d = c.hiddenSize();
        int inner = c.innerWidth();
        long rows = kind.gated() ? 2L * inner : inner;
        MixtureOfExperts routed = new MixtureOfExperts(
                site.name(),
                place(site.stack(), site.layer()),
                a.linear(Role.OTHER, name + ".gate", d, experts, false),
                new MixtureOfExperts.Experts(
                        a.matrix(
                                Role.INNER,
                                name + (kind.gated() ? ".experts.gate_up_proj" : ".experts.up_proj"),
                                d,
                                inner,
                                experts,
                                rows,
                                d),
                        a.matrix(Role.RESIDUAL, name + ".experts.down_proj", inner, d, experts, d, inner),
                        kind.activation(),
                        kind.gated()),
                topK);
        return site.stack().readsInput() ? routed.withoutPadding() : routed;
    }

    /** A part as wide as {@code count} experts that every token goes to. */
    static FeedForward shared(BlockSite site, int count, ExpertKind kind) {
        Assembly a = site.assembly();
        Composition c = site.config();
        String name = site.name() + ".mlp.shared_experts";
        int d = c.hiddenSize();
        long inner = (long) count * c.innerWidth();
        return new FeedForward(
                site.name() + ".shared_experts",
                kind.gated() ? a.linear(Role.INNER, name + ".gate_proj", d, inner, false) : null,
                a.linear(Role.INNER, name + ".up_proj", d, inner, false),
                a.linear(Role.RESIDUAL, name + ".down_proj", inner, d, false),
                kind.activation());
    }

    static List<Segment> losses(Stack stack, int topK, double balance, double z) {
        if (balance == 0 && z == 0) {
            return List.of();
        }
        List<String> places = IntStream.range(0, stack.layers())
                .mapToObj(layer -> place(stack, layer))
                .toList();
        RouterLoss loss = RouterLoss.ofEach(side(stack) + "router_loss", places, topK, balance, z);
        return List.of(stack.readsInput() ? loss : loss.ofUnpadded());
    }

    private static String place(Stack stack, int layer) {
        return side(stack) + layer;
    }

    /** Tells the two sides of a model with an encoder apart. */
    private static String side(Stack stack) {
        return stack.prefix().substring("model.".length());
    }

    static int innerWidth(int hiddenSize, ExpertKind kind) {
        return kind.gated() ? Maps.gated(hiddenSize) : Maps.fourfold(hiddenSize);
    }

    /** Refuses what experts make no sense beside. */
    static void check(String id, Composition c) {
        if (c.mlpBias()) {
            throw new IllegalArgumentException(
                    "mlp_bias: the experts of feed_forward: %s have no biases; leave it out".formatted(id));
        }
        if (c.parts().structure().stacks(c).stream().anyMatch(s -> !s.readsInput() && !s.cross())) {
            throw new IllegalArgumentException(
                    "feed_forward: %s: a router is balanced over tokens, and the blocks of this structure read latents; choose a feed-forward part without experts"
                            .formatted(id));
        }
        if (!(c.parts().sharing() instanceof NoSharing.Config)) {
            throw new IllegalArgumentException(
                    "feed_forward: %s: a router is balanced once a pass, and a shared block asks it several times; set weight_sharing: none"
                            .formatted(id));
        }
    }
}
