package quern.tensor;

import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** The operators of {@code torch.nn.functional} that layers are made of; all are recorded by autograd. */
public final class Functional {
    private Functional() {}

    /** {@code x·weightᵀ + bias} with weight [out, in]; {@code bias} may be null. */
    public static Tensor linear(Tensor x, Tensor weight, Tensor bias) {
        return Native.call(
                "linear",
                () -> new Tensor(
                        bias == null
                                ? torch.linear(x.raw(), weight.raw(), (TensorOptional) null)
                                : torch.linear(x.raw(), weight.raw(), new TensorOptional(bias.raw()))),
                x,
                weight);
    }

    /**
     * Convolution of images {@code x} [B, C, H, W] with weight [out, C, k, k], zeros around them.
     *
     * @param bias [out], may be null
     * @param stride pixels from one place of the kernel to the next
     * @param padding rows and columns of zeros on each side
     */
    public static Tensor conv2d(Tensor x, Tensor weight, Tensor bias, long stride, long padding) {
        return Native.call(
                "conv2d",
                () -> new Tensor(torch.conv2d(
                        x.raw(),
                        weight.raw(),
                        optional(bias),
                        new long[] {stride, stride},
                        new long[] {padding, padding},
                        new long[] {1, 1},
                        1)),
                x,
                weight);
    }

    /** Rows of {@code weight} [V, D] by int64 ids of any shape. */
    public static Tensor embedding(Tensor weight, Tensor ids) {
        return Native.call("embedding", () -> new Tensor(torch.embedding(weight.raw(), ids.raw())), weight, ids);
    }

    /** The same, but row {@code paddingRow} of {@code weight} gets no gradient from here. */
    public static Tensor embedding(Tensor weight, Tensor ids, long paddingRow) {
        return Native.call(
                "embedding",
                () -> new Tensor(torch.embedding(weight.raw(), ids.raw(), paddingRow, false, false)),
                weight,
                ids);
    }

    /** Softmax along {@code dim}. */
    public static Tensor softmax(Tensor x, int dim) {
        return Native.call("softmax", () -> new Tensor(torch.softmax(x.raw(), dim)), x);
    }

    /** Log-softmax along {@code dim}. */
    public static Tensor logSoftmax(Tensor x, int dim) {
        return Native.call("log_softmax", () -> new Tensor(torch.log_softmax(x.raw(), dim)), x);
    }

    /** Layer normalisation over the last dimension, summed in fp32; {@code weight} and {@code bias} may be null. */
    public static Tensor layerNorm(Tensor x, Tensor weight, Tensor bias, double eps) {
        return Native.call(
                "layer_norm",
                () -> new Tensor(torch.layer_norm(
                        x.raw(), new long[] {x.size(-1)}, optional(weight), optional(bias), eps, false)),
                x);
    }

    /** Root-mean-square normalisation over the last dimension, summed in fp32; {@code weight} may be null. */
    public static Tensor rmsNorm(Tensor x, Tensor weight, double eps) {
        return Native.call(
                "rms_norm",
                () -> new Tensor(
                        torch.rms_norm(x.raw(), new long[] {x.size(-1)}, optional(weight), new DoubleOptional(eps))),
                x);
    }

    private static TensorOptional optional(Tensor x) {
        return x == null ? new TensorOptional() : new TensorOptional(x.raw());
    }

    /** GELU by the error function. */
    public static Tensor gelu(Tensor x) {
        return Native.call("gelu", () -> new Tensor(torch.gelu(x.raw(), "none")), x);
    }

    /** GELU by its tanh approximation. */
    public static Tensor geluTanh(Tensor x) {
        return Native.call("gelu", () -> new Tensor(torch.gelu(x.raw(), "tanh")), x);
    }

    /** {@code x · sigmoid(x)}. */
    public static Tensor silu(Tensor x) {
        return Native.call("silu", () -> new Tensor(torch.silu(x.raw())), x);
    }

    /** Zeroes elements with probability {@code p} in [0, 1] and scales the rest by 1/(1-p), by a stream of its own. */
    public static Tensor dropout(Tensor x, double p, RandomStream random) {
        if (p < 0 || p > 1) {
            throw new IllegalArgumentException("dropout rate " + p + " is not in [0, 1]");
        }
        if (p == 0) {
            return x;
        }
        if (p == 1) {
            return x.mul(0);
        }
        Tensor mask;
        try (Autograd.Mode mode = Autograd.noGrad()) {
            // The mask is drawn on the CPU so that one seed gives one mask on every device.
            mask = Tensor.empty(x.dtype(), Device.CPU, x.shape())
                    .bernoulli_(1 - p, random)
                    .div_(1 - p)
                    .to(x.device());
        }
        return x.mul(mask);
    }

    /** Attention by libtorch's fused kernel; for CUDA, since its CPU backward is slow. Heads are dimension 1. */
    public static Tensor scaledDotProductAttention(
            Tensor q_BHTD, Tensor k_BHSD, Tensor v_BHSD, Tensor mask, boolean causal, double scale) {
        return Native.call(
                "scaled_dot_product_attention",
                () -> new Tensor(torch.scaled_dot_product_attention(
                        q_BHTD.raw(),
                        k_BHSD.raw(),
                        v_BHSD.raw(),
                        optional(mask),
                        0.0,
                        causal,
                        new DoubleOptional(scale),
                        false)),
                q_BHTD,
                k_BHSD,
                v_BHSD);
    }
}
