package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Tensor;

/**
 * Rotary position embedding (Su et al. 2021, arXiv:2104.09864) in Hugging Face's half-split layout: dimension i is paired
 * with i + D/2.
 */
public final class Rotary {
    private Rotary() {}

    /**
     * cos and sin [.., T, D/2] in fp32 for positions and the inverse frequencies [D/2].
     *
     * @param positions int64 [T] or [B, T]
     * @param attentionScaling a factor on both, 1 unless the rope type sets one
     */
    public static CosSin angles(Tensor positions, Tensor inverseFrequencies, double attentionScaling) {
        Tensor angle = positions.to(DType.FP32).unsqueeze(-1).mul(inverseFrequencies);
        return attentionScaling == 1
                ? new CosSin(angle.cos(), angle.sin())
                : new CosSin(angle.cos().mul(attentionScaling), angle.sin().mul(attentionScaling));
    }

    /** The cosines and sines of the rotation angles. */
    public record CosSin(Tensor cos, Tensor sin) {}

    /** Turns every head of x [B, H, T, D] by cos and sin, broadcastable to [B, H, T, D/2]. */
    public static Tensor rotate(Tensor x_BHTD, Tensor cos, Tensor sin) {
        long half = x_BHTD.size(-1) / 2;
        Tensor a = x_BHTD.narrow(-1, 0, half);
        Tensor b = x_BHTD.narrow(-1, half, half);
        return Tensor.cat(List.of(a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin))), -1);
    }
}
