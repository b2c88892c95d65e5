package quern.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Mamba-2's mixer of tokens (Dao and Gu 2024, arXiv:2405.21060), which takes attention's place: a selective state space with
 * one decay a head. With inputs x [H, P], B and C [N] of each token, and its step {@code Δ = softplus(dt + bias)}:
 *
 * <pre>
 * state = exp(-Δ·exp(a)) · state + Δ · x ⊗ B
 * y     = state · C + d · x
 * </pre>
 *
 * <p>x, B and C come from the stream through a short causal convolution of each feature and SiLU; y is gated by SiLU, normed and
 * brought back. Passes compute stretches of tokens by matrix products and hand the state from stretch to stretch; a generation
 * keeps the state and the convolution's last inputs in its cache, the same bytes however long the text.
 */
public final class StateSpaceMixer implements Branch {
    /**
     * The sizes of one layer.
     *
     * @param heads H
     * @param headWidth P
     * @param stateWidth N
     * @param kernel tokens that the convolution sees
     * @param stretch tokens computed at once by matrix products
     */
    public record Shape(int heads, int headWidth, int stateWidth, int kernel, int stretch) {
        /** Of all heads' inputs. */
        int inner() {
            return heads * headWidth;
        }

        /** Of what goes through the convolution. */
        int convolved() {
            return inner() + 2 * stateWidth;
        }
    }

    /**
     * The parameters.
     *
     * @param input from D to gate, inputs, B, C and dt, side by side: 2·H·P + 2·N + H
     * @param kernel_CK the convolution of each feature, oldest token first
     * @param kernelBias_C added to it
     * @param a_H logarithms of the decays' rates
     * @param stepBias_H added to dt
     * @param d_H the share of its input that each head gives on
     * @param norm over the gated result [.., H·P]
     * @param output from H·P to D
     */
    public record Weights(
            Linear input,
            Parameter kernel_CK,
            Parameter kernelBias_C,
            Parameter a_H,
            Parameter stepBias_H,
            Parameter d_H,
            Norm norm,
            Linear output) {}

    /** What a generation keeps: the convolution's last inputs [B, K-1, C] and the state [B, H, P, N] in fp32. */
    private record Past(Tensor inputs, Tensor state) {}

    private final String owner;
    private final int layer;
    private final Shape shape;
    private final Weights w;

    /** A layer's mixer. */
    public StateSpaceMixer(String owner, int layer, Shape shape, Weights weights) {
        this.owner = owner;
        this.layer = layer;
        this.shape = shape;
        this.w = weights;
    }

    @Override
    public String label() {
        return "attention";
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of("attention_mask", DocumentBorders.NAME);
    }

    @Override
    public Tensor forward(Tensor x_BTD, Flow flow, Pass pass) {
        DocumentBorders documents = DocumentBorders.of(flow);
        if (documents != null) {
            return documents.join(1, (i, t) -> mix(x_BTD.narrow(1, documents.start(i), t), null, null, pass));
        }
        long t = x_BTD.size(1);
        Tensor padding = flow.find("attention_mask");
        Tensor real_BT1 = padding == null
                ? null
                : padding.narrow(1, padding.size(1) - t, t).to(x_BTD.dtype()).unsqueeze(-1);
        if (pass.cache() == null) {
            return mix(x_BTD, real_BT1, null, pass);
        }
        Tensor inputs = pass.cache().state(name("convolution"));
        Past past = inputs == null ? null : new Past(inputs, pass.cache().state(name("state")));
        Tensor y = mix(x_BTD, real_BT1, past, pass);
        pass.cache().advance(layer, t);
        return y;
    }

    private String name(String part) {
        return "mixer_" + part + "." + layer;
    }

    private Tensor mix(Tensor x_BTD, Tensor real_BT1, Past past, Pass pass) {
        long batch = x_BTD.size(0);
        long t = x_BTD.size(1);
        int inner = shape.inner();
        List<Tensor> parts = w.input.forward(x_BTD, pass).split(new long[] {inner, shape.convolved(), shape.heads}, -1);
        Tensor u_BTC = convolved(parts.get(1), real_BT1, past, pass);
        Tensor inputs = u_BTC.narrow(-1, 0, inner).to(DType.FP32).view(batch, t, shape.heads, shape.headWidth);
        Tensor b_BTN = u_BTC.narrow(-1, inner, shape.stateWidth).to(DType.FP32);
        Tensor c_BTN = u_BTC.narrow(-1, (long) inner + shape.stateWidth, shape.stateWidth)
                .to(DType.FP32);
        Tensor step_BTH = softplus(
                parts.get(2).to(DType.FP32).add(pass.value(w.stepBias_H).to(DType.FP32)));
        Tensor decay_BTH = step_BTH.mul(pass.value(w.a_H).to(DType.FP32).exp().neg());
        Tensor y_BTHP = scan(inputs.mul(step_BTH.unsqueeze(-1)), decay_BTH, b_BTN, c_BTN, past, pass);
        y_BTHP = y_BTHP.add(inputs.mul(pass.value(w.d_H).to(DType.FP32).unsqueeze(-1)));
        Tensor y = y_BTHP.reshape(batch, t, inner).to(x_BTD.dtype()).mul(Functional.silu(parts.get(0)));
        return w.output.forward(pass.at(owner, "head_outputs", w.norm.forward(y, pass)), pass);
    }

    /** The causal convolution of each feature and SiLU; padding counts as zeros before the text. */
    private Tensor convolved(Tensor raw_BTC, Tensor real_BT1, Past past, Pass pass) {
        long t = raw_BTC.size(1);
        int before = shape.kernel - 1;
        Tensor x = real_BT1 == null ? raw_BTC : raw_BTC.mul(real_BT1);
        Tensor earlier = past != null ? past.inputs : Tensor.zeros(x.dtype(), x.device(), x.size(0), before, x.size(2));
        Tensor all = Tensor.cat(List.of(earlier, x), 1);
        if (pass.cache() != null) {
            pass.cache().state(name("convolution"), all.narrow(1, t, before).copy());
        }
        Tensor kernel_CK = pass.value(w.kernel_CK);
        Tensor y = pass.value(w.kernelBias_C);
        for (int k = 0; k < shape.kernel; k++) {
            y = all.narrow(1, k, t).mul(kernel_CK.select(1, k)).add(y);
        }
        Tensor active = Functional.silu(y);
        return real_BT1 == null ? active : active.mul(real_BT1);
    }

    /** {@code ln(1 + e^x)}, without overflow. */
    private static Tensor softplus(Tensor x) {
        return x.relu().add(x.abs().neg().exp().add(1).log());
    }

    /**
     * The recurrence, in stretches.
     *
     * @param x_BTHP inputs times their steps
     * @param decay_BTH logarithms of what each token leaves of the state
     */
    private Tensor scan(Tensor x_BTHP, Tensor decay_BTH, Tensor b_BTN, Tensor c_BTN, Past past, Pass pass) {
        long batch = x_BTHP.size(0);
        long t = x_BTHP.size(1);
        Tensor state_BHPN = past != null
                ? past.state
                : Tensor.zeros(DType.FP32, x_BTHP.device(), batch, shape.heads, shape.headWidth, shape.stateWidth);
        List<Tensor> results = new ArrayList<>();
        for (long start = 0; start < t; start += shape.stretch) {
            long q = Math.min(shape.stretch, t - start);
            Tensor x_BHQP = x_BTHP.narrow(1, start, q).transpose(1, 2);
            Tensor b_BQN = b_BTN.narrow(1, start, q);
            Tensor c_BQN = c_BTN.narrow(1, start, q);
            // The logarithm of what is left of the state after each token.
            Tensor left_BHQ = decay_BTH.narrow(1, start, q).transpose(1, 2).cumsum(-1);
            Tensor later = Tensor.full(Double.NEGATIVE_INFINITY, DType.FP32, x_BTHP.device(), q, q)
                    .triu(1);
            // Minus infinity before the exponential: a later token's would overflow.
            Tensor between_BHQQ = left_BHQ.unsqueeze(-1)
                    .sub(left_BHQ.unsqueeze(-2))
                    .add(later)
                    .exp();
            Tensor pattern_BHQQ = c_BQN.bmm(b_BQN.transpose(1, 2)).unsqueeze(1).mul(between_BHQQ);
            Tensor within_BHQP = pattern_BHQQ.matmul(x_BHQP);
            Tensor fromState_BHQP = c_BQN.unsqueeze(1)
                    .matmul(state_BHPN.transpose(-2, -1))
                    .mul(left_BHQ.exp().unsqueeze(-1));
            results.add(within_BHQP.add(fromState_BHQP).transpose(1, 2));
            Tensor end_BH1 = left_BHQ.narrow(-1, q - 1, 1);
            Tensor weighed_BHQP = x_BHQP.mul(end_BH1.sub(left_BHQ).exp().unsqueeze(-1));
            Tensor added_BHPN = weighed_BHQP.transpose(-2, -1).matmul(b_BQN.unsqueeze(1));
            state_BHPN = state_BHPN.mul(end_BH1.exp().unsqueeze(-1)).add(added_BHPN);
        }
        if (pass.cache() != null) {
            pass.cache().state(name("state"), state_BHPN.copy());
        }
        return results.size() == 1 ? results.getFirst() : Tensor.cat(results, 1);
    }

    @Override
    public List<Linear> linears() {
        return List.of(w.input, w.output);
    }

    @Override
    public List<Parameter> closing() {
        return w.output.parameters();
    }

    @Override
    public List<Parameter> parameters() {
        return Stream.of(
                        w.input.parameters().stream(),
                        Stream.of(w.kernel_CK, w.kernelBias_C, w.a_H, w.stepBias_H, w.d_H),
                        w.norm.parameters().stream(),
                        w.output.parameters().stream())
                .flatMap(s -> s)
                .toList();
    }
}
