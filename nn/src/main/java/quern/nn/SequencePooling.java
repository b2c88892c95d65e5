package quern.nn;

import java.util.List;
import java.util.OptionalLong;
import java.util.function.UnaryOperator;
import quern.tensor.DType;
import quern.tensor.Tensor;

/** Which part of a sequence's hidden states [B, T, D] stands for all of it [B, D]. */
public interface SequencePooling {
    /** The pooled states. */
    Tensor pool(Tensor hidden_BTD, Flow flow);

    /** Names of the flow that it uses when they are there. */
    default List<String> readsIfPresent() {
        return List.of();
    }

    /** The first token, where encoders put a token for the whole ({@code [CLS]}). */
    static SequencePooling firstToken() {
        return (hidden, flow) -> hidden.select(1, 0);
    }

    /** The mean over the tokens that {@code attention_mask} leaves visible. */
    static SequencePooling mean() {
        return new SequencePooling() {
            @Override
            public Tensor pool(Tensor hidden_BTD, Flow flow) {
                Tensor mask = flow.find("attention_mask");
                if (mask == null) {
                    return hidden_BTD.mean(false, 1);
                }
                Tensor visible_BT1 = mask.to(hidden_BTD.dtype()).unsqueeze(-1);
                return hidden_BTD.mul(visible_BT1).sum(false, 1).div(visible_BT1.sum(false, 1));
            }

            @Override
            public List<String> readsIfPresent() {
                return List.of("attention_mask");
            }
        };
    }

    /**
     * The last token that isn't {@code padToken}, on whichever side a row is padded; row's first token when all are. Where
     * no padding token is known, the last one that {@code attention_mask} leaves visible, or simply the last.
     */
    static SequencePooling lastToken(OptionalLong padToken) {
        return new SequencePooling() {
            @Override
            public Tensor pool(Tensor hidden_BTD, Flow flow) {
                long t = hidden_BTD.size(1);
                Tensor real_BT = padToken.isPresent()
                        ? flow.get("input_ids").ne(padToken.getAsLong())
                        : flow.has("attention_mask")
                                ? flow.get("attention_mask").ne(0)
                                : null;
                if (real_BT == null) {
                    return hidden_BTD.select(1, t - 1);
                }
                Tensor last_B = real_BT.to(DType.INT64)
                        .mul(Tensor.arange(t, DType.INT64, hidden_BTD.device()))
                        .argmax(-1);
                Tensor index_B1D = last_B.view(-1, 1, 1).expand(hidden_BTD.size(0), 1, hidden_BTD.size(2));
                return hidden_BTD.gather(1, index_B1D).squeeze(1);
            }

            @Override
            public List<String> readsIfPresent() {
                return List.of("input_ids", "attention_mask");
            }
        };
    }

    /** The first token with the highest id, where the first CLIP models end a text. */
    static SequencePooling highestToken() {
        return atFirst(ids -> ids);
    }

    /** The first {@code token}; a row's first token where it has none. */
    static SequencePooling firstOf(long token) {
        return atFirst(ids -> ids.eq(token).to(DType.INT64));
    }

    private static SequencePooling atFirst(UnaryOperator<Tensor> score) {
        return new SequencePooling() {
            @Override
            public Tensor pool(Tensor hidden_BTD, Flow flow) {
                Tensor at_B = score.apply(flow.get("input_ids")).argmax(-1);
                Tensor index_B1D =
                        at_B.view(hidden_BTD.size(0), 1, 1).expand(hidden_BTD.size(0), 1, hidden_BTD.size(2));
                return hidden_BTD.gather(1, index_B1D).squeeze(1);
            }

            @Override
            public List<String> readsIfPresent() {
                return List.of("input_ids");
            }
        };
    }
}
