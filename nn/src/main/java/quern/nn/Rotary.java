package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Tensor;

/**
 * Rotary position embedding (Su et al. 2021, arXiv:2104.09864): pairs of dimensions of queries and keys turn by angles
 * that grow with the position.
 */
public final class Rotary {
    /** Which dimensions of the R that turn make a pair. */
    public enum Pairing {
        /** i with i + R/2, as in Llama. */
        HALVES,
        /** 2i with 2i + 1, as in the paper and GPT-J. */
        NEIGHBOURS
    }

    private Rotary() {}

    /**
     * cos and sin [.., T, R/2] in fp32 for positions and the inverse frequencies [R/2].
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

    /** As below, in halves. */
    public static Tensor rotate(Tensor x_BHTD, Tensor cos, Tensor sin) {
        return rotate(x_BHTD, cos, sin, Pairing.HALVES);
    }

    /**
     * Turns the first R dimensions of every head of x [B, H, T, D], and leaves the others, by cos and sin broadcastable
     * to [B, H, T, R/2].
     */
    public static Tensor rotate(Tensor x_BHTD, Tensor cos, Tensor sin, Pairing pairing) {
        long width = x_BHTD.size(-1);
        long turned = 2 * cos.size(-1);
        if (turned < width) {
            Tensor rest = x_BHTD.narrow(-1, turned, width - turned);
            return Tensor.cat(List.of(turn(x_BHTD.narrow(-1, 0, turned), cos, sin, pairing), rest), -1);
        }
        return turn(x_BHTD, cos, sin, pairing);
    }

    private static Tensor turn(Tensor x, Tensor cos, Tensor sin, Pairing pairing) {
        long half = x.size(-1) / 2;
        if (pairing == Pairing.HALVES) {
            Tensor a = x.narrow(-1, 0, half);
            Tensor b = x.narrow(-1, half, half);
            return Tensor.cat(List.of(a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin))), -1);
        }
        long[] s = x.shape();
        Tensor pairs = x.reshape(s[0], s[1], s[2], half, 2);
        Tensor a = pairs.select(-1, 0);
        Tensor b = pairs.select(-1, 1);
        return Tensor.stack(List.of(a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin))), -1)
                .reshape(s);
    }
}
