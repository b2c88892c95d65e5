package quern.models.part.recurrence;

import quern.models.part.Assembly;
import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.InitializationPart.Role;
import quern.models.part.Parts;
import quern.models.part.attention.FullPattern;
import quern.models.part.attention.MultiHead;
import quern.models.part.position.NoPosition;
import quern.models.part.structure.Decoder;
import quern.models.part.structure.NoSharing;
import quern.nn.Linear;
import quern.nn.Memories;
import quern.nn.MemoryLayout;
import quern.nn.RecurrentAttention;

/** What Transformer-XL and the Compressive Transformer share. */
final class MemoryParts {
    private MemoryParts() {}

    static Memories memories(Assembly a, MemoryLayout layout) {
        return new Memories("model.memories", layout, 0, a.weights().dtype());
    }

    /** Attention with memories; {@code compression} gives the kernel's slot, and null where there are no slots. */
    static RecurrentAttention attention(
            BlockSite site, MemoryLayout layout, RecurrentAttention.Compression compression) {
        Assembly a = site.assembly();
        Composition c = site.config();
        String name = site.name() + ".self_attn";
        int d = c.hiddenSize();
        int heads = c.numAttentionHeads();
        int width = c.headWidth();
        boolean bias = c.attentionBias();
        long all = (long) heads * width;
        return new RecurrentAttention(
                site.name(),
                site.layer(),
                new RecurrentAttention.Shape(
                        heads, width, a.parts().initialization().attentionScale(width, c), c.attentionDropout()),
                new RecurrentAttention.Slots(
                        a.linear(Role.QUERY, name + ".q_proj", d, all, bias),
                        a.linear(Role.KEY, name + ".k_proj", d, all, bias),
                        a.linear(Role.VALUE, name + ".v_proj", d, all, bias),
                        a.linear(Role.KEY, name + ".r_proj", d, all, false),
                        a.linear(Role.RESIDUAL, name + ".o_proj", all, d, bias)),
                a.weights().parameter(name + ".content_bias", a.matrix(Role.DISTANCES, width, heads), heads, width),
                a.weights().parameter(name + ".position_bias", a.matrix(Role.DISTANCES, width, heads), heads, width),
                layout,
                compression);
    }

    static Linear kernel(BlockSite site, int rate) {
        int d = site.config().hiddenSize();
        return site.assembly().linear(Role.OTHER, site.name() + ".self_attn.compression", (long) rate * d, d, false);
    }

    /** Refuses what a memory makes no sense beside. */
    static void check(String id, Composition c) {
        Parts parts = c.parts();
        require(
                parts.structure() instanceof Decoder.Config,
                "recurrence: %s carries the past of a text that is read from left to right; set structure: decoder",
                id);
        require(
                parts.position() instanceof NoPosition.Config,
                "recurrence: %s has relative positions of its own, which no other kind of position may add to; set position: none",
                id);
        require(
                parts.attention() instanceof MultiHead.Config,
                "recurrence: %s attends with keys and values of its own for each head; set attention: mha",
                id);
        require(
                parts.patterns().stream().allMatch(FullPattern.Config.class::isInstance),
                "recurrence: %s says by memory_length what attention sees; set attention_pattern: full",
                id);
        require(
                parts.sharing() instanceof NoSharing.Config,
                "recurrence: %s has a memory a layer, which shared blocks would overwrite; set weight_sharing: none",
                id);
        require(!c.qkNorm(), "qk_norm: recurrence: %s doesn't norm queries and keys; leave it out", id);
        require(!c.attentionSinks(), "attention_sinks: recurrence: %s has none; leave it out", id);
        require(
                c.attnLogitSoftcapping().isEmpty(),
                "attn_logit_softcapping: recurrence: %s caps no scores; leave it out",
                id);
        require(
                c.hiddenSize() % 2 == 0,
                "hidden_size: recurrence: %s needs an even one, for pairs of sine and cosine",
                id);
    }

    private static void require(boolean holds, String message, String id) {
        if (!holds) {
            throw new IllegalArgumentException(message.formatted(id));
        }
    }
}
