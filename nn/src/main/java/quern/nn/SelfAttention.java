package quern.nn;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Causal self-attention with its linear slots. Reads from the flow: {@code mask} (additive), and {@code rotary_cos},
 * {@code rotary_sin} when rotary. Probe points of the owner: {@code attention_pattern}, {@code head_outputs} [B, T, H·D].
 */
public final class SelfAttention {
    /** The sizes and rates of one layer's attention. */
    public record Shape(
            int heads, int keyValueHeads, int headWidth, double scale, double attentionDropout, boolean rotary) {}

    private final String owner;
    private final int layer;
    private final Shape shape;
    /** Either one slot that gives queries, keys and values side by side, or three. */
    private final List<Linear> inputs;

    private final Linear output;

    /**
     * @param owner the segment's name
     * @param layer the layer's place in the key-value cache
     * @param inputs one slot with q, k, v side by side, or the three slots q, k, v
     */
    public SelfAttention(String owner, int layer, Shape shape, List<Linear> inputs, Linear output) {
        if (inputs.size() != 1 && inputs.size() != 3) {
            throw new IllegalArgumentException("attention takes one fused slot or three");
        }
        this.owner = owner;
        this.layer = layer;
        this.shape = shape;
        this.inputs = List.copyOf(inputs);
        this.output = output;
    }

    /** x [B, T, D] to [B, T, D]. */
    public Tensor forward(Tensor x_BTD, Flow flow, Pass pass) {
        long batch = x_BTD.size(0);
        long t = x_BTD.size(1);
        long d = shape.headWidth;
        Tensor q;
        Tensor k;
        Tensor v;
        if (inputs.size() == 1) {
            List<Tensor> qkv = inputs.get(0)
                    .forward(x_BTD, pass)
                    .split(new long[] {shape.heads * d, shape.keyValueHeads * d, shape.keyValueHeads * d}, -1);
            q = qkv.get(0);
            k = qkv.get(1);
            v = qkv.get(2);
        } else {
            q = inputs.get(0).forward(x_BTD, pass);
            k = inputs.get(1).forward(x_BTD, pass);
            v = inputs.get(2).forward(x_BTD, pass);
        }
        Tensor q_BHTD = q.view(batch, t, shape.heads, d).transpose(1, 2);
        Tensor k_BKTD = k.view(batch, t, shape.keyValueHeads, d).transpose(1, 2);
        Tensor v_BKTD = v.view(batch, t, shape.keyValueHeads, d).transpose(1, 2);
        if (shape.rotary) {
            Tensor cos = flow.get("rotary_cos");
            Tensor sin = flow.get("rotary_sin");
            q_BHTD = Rotary.rotate(q_BHTD, cos, sin);
            k_BKTD = Rotary.rotate(k_BKTD, cos, sin);
        }
        if (pass.cache() != null) {
            KeyValueCache.KeysValues all = pass.cache().append(layer, k_BKTD, v_BKTD);
            k_BKTD = all.keys();
            v_BKTD = all.values();
        }
        Tensor y_BTD = Attention.attend(
                q_BHTD, k_BKTD, v_BKTD, flow.get("mask"), shape.scale, shape.attentionDropout, pass, owner);
        return output.forward(pass.at(owner, "head_outputs", y_BTD), pass);
    }

    /** The slots, inputs first. */
    public List<Linear> linears() {
        List<Linear> all = new ArrayList<>(inputs);
        all.add(output);
        return all;
    }

    /** The slots' parameters. */
    public List<Parameter> parameters() {
        return linears().stream().flatMap(l -> l.parameters().stream()).toList();
    }

    /** Dropout of a block's part before it joins the residual stream. */
    static Tensor drop(Tensor x, double p, String part, String owner, Pass pass) {
        return pass.isTraining() && p > 0 ? Functional.dropout(x, p, pass.random(part + "/" + owner)) : x;
    }
}
