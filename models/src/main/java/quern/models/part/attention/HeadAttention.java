package quern.models.part.attention;

import java.util.List;
import java.util.Optional;
import quern.models.Initialization;
import quern.models.part.Assembly;
import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.InitializationPart.Role;
import quern.models.part.Parts;
import quern.nn.Branch;
import quern.nn.Linear;
import quern.nn.SelfAttention;

/** Attention of heads, of which several may share keys and values. */
final class HeadAttention {
    private HeadAttention() {}

    static Branch of(BlockSite site) {
        Assembly a = site.assembly();
        Composition c = site.config();
        Parts parts = a.parts();
        Optional<Branch> remembering = parts.recurrence().branch(site);
        if (remembering.isPresent()) {
            return remembering.get();
        }
        String name = site.name() + ".self_attn";
        int d = c.hiddenSize();
        long queries = (long) c.numAttentionHeads() * c.headWidth();
        long keys = (long) c.keyValueHeads() * c.headWidth();
        List<Linear> inputs = List.of(
                a.linear(Role.QUERY, name + ".q_proj", d, queries, c.attentionBias()),
                a.linear(Role.KEY, name + ".k_proj", d, keys, c.attentionBias()),
                a.linear(Role.VALUE, name + ".v_proj", d, keys, c.attentionBias()));
        Linear output = a.linear(Role.RESIDUAL, name + ".o_proj", queries, d, c.attentionBias());
        SelfAttention attention = new SelfAttention(
                site.name(), site.layer(), a.headShape(parts.position().rotates()), inputs, output);
        if (c.qkNorm()) {
            attention = attention.withHeadNorms(
                    a.norm(name + ".q_norm", c.headWidth()), a.norm(name + ".k_norm", c.headWidth()));
        }
        if (c.attnLogitSoftcapping().isPresent()) {
            attention = attention.withSoftCap(c.attnLogitSoftcapping().get());
        }
        if (c.attentionSinks()) {
            attention = attention.withSinks(
                    a.weights().parameter(name + ".sinks", Initialization.ZEROS, c.numAttentionHeads()));
        }
        attention = parts.pattern(site.layer()).attention(attention, parts.maskName(site.layer()), site);
        attention = parts.position().attention(attention, site);
        return attention;
    }
}
