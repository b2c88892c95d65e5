package quern.nn;

import quern.tensor.DType;
import quern.tensor.Tensor;

/** How the positions of tokens are counted. */
@FunctionalInterface
public interface PositionIds {
    /**
     * The positions of new tokens, int64 [T] or [B, T].
     *
     * @param ids_BT the new tokens
     * @param padding_BS int64 [B, past + T], 0 where padded; {@code null} when nothing is
     * @param past positions before the first new token
     */
    Tensor of(Tensor ids_BT, Tensor padding_BS, long past);

    /** From 0 at each row's first token that isn't padding, whether it is padded on the left or on the right. */
    static PositionIds firstRealToken() {
        return (ids, padding_BS, past) -> {
            Tensor column = columns(ids, past);
            if (padding_BS == null) {
                return column;
            }
            // The first of the largest values: the number of padded tokens before the text.
            Tensor first_B1 = padding_BS.argmax(-1).unsqueeze(-1);
            return column.unsqueeze(0).sub(first_B1).clampMin(0);
        };
    }

    /** From 0 at each row's first column, padding or not: encoders. */
    static PositionIds columns() {
        return (ids, padding, past) -> columns(ids, past);
    }

    /** From {@code padToken + 1}, skipping padding tokens, which stay at {@code padToken}: RoBERTa. */
    static PositionIds skipping(long padToken) {
        return (ids, padding, past) -> {
            Tensor real = ids.ne(padToken).to(DType.INT64);
            Tensor counted = past == 0 ? real.cumsum(-1) : real.cumsum(-1).add((double) past);
            return counted.mul(real).add((double) padToken);
        };
    }

    /** From 0 over the tokens that aren't padding, which stay at -1: OPT. */
    static PositionIds realTokens() {
        return (ids, padding_BS, past) -> padding_BS == null
                ? columns(ids, past)
                : padding_BS.cumsum(-1).mul(padding_BS).sub(1).narrow(1, past, ids.size(1));
    }

    private static Tensor columns(Tensor ids, long past) {
        long t = ids.size(1);
        return Tensor.arange(past + t, DType.INT64, ids.device()).narrow(0, past, t);
    }
}
