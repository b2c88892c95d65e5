package quern.nn;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Scaled dot-product attention. Shape letters: B batch, H query heads, KV key-value heads, T queries, S keys, D head
 * width. On the CPU it is batched GEMM, softmax, GEMM, since libtorch's fused backward is slow there; on CUDA libtorch's
 * fused kernel, unless a probe or dropout needs the pattern itself or {@link AttentionImplementation#EAGER} asks for it.
 */
public final class Attention {
    /** So low that a score added to it is lost in rounding, and high enough that kernels may multiply it. */
    private static final double BLIND = -1e30;

    private static final double BLIND_FP16 = -6e4;

    private Attention() {}

    /**
     * How scores are made of queries and keys.
     *
     * @param scale a factor on them
     * @param softCap they become {@code cap · tanh(score / cap)} before the mask is added; 0 for none
     * @param sinks_H a logit a head that takes part in softmax beside its keys and has no value, so that a head may look at
     *     nothing (gpt-oss, OpenAI 2025, arXiv:2508.10925; with a logit of 0 it is softmax with 1 added below the line);
     *     {@code null} for none
     * @param relative vectors by distance; {@code null} for none
     */
    record Scores(double scale, double softCap, Parameter sinks_H, RelativeVectors relative) {
        Scores(double scale, double softCap) {
            this(scale, softCap, null, null);
        }

        /** Whether nothing but scale and mask make the pattern, which need not be held. */
        boolean usual() {
            return softCap == 0 && sinks_H == null && relative == null;
        }
    }

    /**
     * An additive mask [T, S]: 0 where query t (at position {@code offset + t}) may see key s, -inf elsewhere.
     */
    public static Tensor causalMask(long t, long offset, DType dtype, Device device) {
        Tensor mask = Tensor.full(Double.NEGATIVE_INFINITY, dtype, device, t, t + offset);
        return mask.triu(offset + 1);
    }

    /**
     * An additive mask [B, 1, T, S] from a padding mask over keys (int64 [B, S], 0 = hidden) and a mask [T, S] or [B, 1, T,
     * S]. A row without a visible key looks at every key alike, so that it stays finite.
     */
    public static Tensor paddedMask(Tensor attentionMask_BS, Tensor mask_TS) {
        Tensor hidden = attentionMask_BS.eq(0).unsqueeze(1).unsqueeze(1);
        Tensor full = Tensor.where(
                hidden,
                Tensor.full(Double.NEGATIVE_INFINITY, mask_TS.dtype(), mask_TS.device(), 1),
                mask_TS.dim() == 2 ? mask_TS.unsqueeze(0).unsqueeze(0) : mask_TS);
        Tensor blind = full.amax(true, -1).eq(Double.NEGATIVE_INFINITY);
        return full.maskedFill(blind, mask_TS.dtype() == DType.FP16 ? BLIND_FP16 : BLIND);
    }

    /** As below without a cap on scores. */
    public static Tensor attend(
            Tensor q_BHTD,
            Tensor k_BKSD,
            Tensor v_BKSD,
            Tensor mask,
            double scale,
            double dropout,
            Pass pass,
            String segment) {
        return attend(q_BHTD, k_BKSD, v_BKSD, mask, scale, 0, dropout, pass, segment);
    }

    /**
     * Attention of every query over the keys.
     *
     * @param q_BHTD queries
     * @param k_BKSD keys; KV divides H, and each serves H/KV neighbouring query heads
     * @param v_BKSD values, of any width
     * @param mask additive, [T, S] or broadcastable to [B, H, T, S]; gets a gradient where it wants one; {@code null} for
     *     none
     * @param softCap scores become {@code cap · tanh(score / cap)} before the mask is added; 0 for none
     * @param segment the owner's name: {@code segment/attention_pattern} is a probe point [B, H, T, S]
     * @return [B, T, H·D], D that of the values
     */
    public static Tensor attend(
            Tensor q_BHTD,
            Tensor k_BKSD,
            Tensor v_BKSD,
            Tensor mask,
            double scale,
            double softCap,
            double dropout,
            Pass pass,
            String segment) {
        return attend(q_BHTD, k_BKSD, v_BKSD, mask, new Scores(scale, softCap), dropout, pass, segment, "");
    }

    /** As above. {@code part} sets the random stream of one of several calls in a visit apart. */
    static Tensor attend(
            Tensor q_BHTD,
            Tensor k_BKSD,
            Tensor v_BKSD,
            Tensor mask,
            Scores how,
            double dropout,
            Pass pass,
            String segment,
            String part) {
        long batch = q_BHTD.size(0);
        long heads = q_BHTD.size(1);
        long t = q_BHTD.size(2);
        long width = q_BHTD.size(3);
        long kv = k_BKSD.size(1);
        long s = k_BKSD.size(2);
        long group = heads / kv;
        double rate = pass.dropout(Regularization.Place.ATTENTION, dropout);
        boolean drops = rate > 0;
        boolean eager = pass.attention() == AttentionImplementation.EAGER;
        if (q_BHTD.device().isCuda()
                && !eager
                && !drops
                && how.usual()
                && !pass.isProbedAt(segment, "attention_pattern")) {
            return fused(q_BHTD, k_BKSD, v_BKSD, mask, false, how.scale, group);
        }
        // The query heads of a group become rows of one matrix, so grouped keys are never copied.
        Tensor q = q_BHTD.reshape(batch * kv, group * t, width);
        Tensor k = k_BKSD.reshape(batch * kv, s, width).transpose(1, 2);
        long valueWidth = v_BKSD.size(3);
        Tensor v = v_BKSD.reshape(batch * kv, s, valueWidth);
        Tensor rows = mask == null ? null : rows(mask, batch, heads, kv, t, s);
        Tensor scores;
        if (how.softCap > 0 || how.relative != null) {
            scores = q.bmm(k);
            if (how.relative != null) {
                scores = scores.add(how.relative.scores(q_BHTD, s, pass).reshape(batch * kv, group * t, s));
            }
            scores = scores.mul(how.scale);
            if (how.softCap > 0) {
                scores = scores.div(how.softCap).tanh().mul(how.softCap);
            }
            scores = rows == null ? scores : scores.add(rows);
        } else {
            scores = rows == null ? q.bmm(k).mul(how.scale) : rows.baddbmm(q, k, 1, how.scale);
        }
        Tensor pattern = how.sinks_H == null
                ? Functional.softmax(scores, -1)
                : besideSinks(scores, pass.value(how.sinks_H), batch, kv, t);
        if (pass.isProbedAt(segment, "attention_pattern")) {
            pattern = pass.at(segment, "attention_pattern", pattern.reshape(batch, heads, t, s))
                    .reshape(batch * kv, group * t, s);
        }
        if (drops) {
            pattern = Functional.dropout(pattern, rate, pass.random("attention_dropout/" + segment + part));
        }
        Tensor y_BHTD = pattern.bmm(v).reshape(batch, heads, t, valueWidth);
        if (how.relative != null) {
            y_BHTD = y_BHTD.add(how.relative.values(pattern.reshape(batch, heads, t, s), pass));
        }
        return y_BHTD.transpose(1, 2).reshape(batch, t, heads * valueWidth);
    }

    /** Softmax of scores [B·KV, H/KV·T, S] and the sinks' logits, without the sinks' share. */
    private static Tensor besideSinks(Tensor scores, Tensor sinks_H, long batch, long kv, long t) {
        long group = sinks_H.size(0) / kv;
        Tensor column = sinks_H.to(scores.dtype())
                .view(1, kv, group, 1)
                .expand(batch, kv, group, t)
                .reshape(batch * kv, group * t, 1);
        return Functional.softmax(Tensor.cat(List.of(scores, column), -1), -1).narrow(-1, 0, scores.size(-1));
    }

    /** The mask as rows of scores, [1 or B·KV, H/KV·T, S]. */
    private static Tensor rows(Tensor mask, long batch, long heads, long kv, long t, long s) {
        if (mask.dim() == 2) {
            Tensor rows = heads == kv || mask.size(0) == 1 ? mask : mask.repeat(heads / kv, 1);
            return rows.unsqueeze(0);
        }
        return mask.expand(batch, heads, t, s).reshape(batch * kv, heads / kv * t, s);
    }

    /**
     * The same in blocks, without a tensor of all scores.
     *
     * @param mask what the rows that belong together see
     * @param added a tensor added to the scores; {@code null} for none
     */
    static Tensor blockwise(
            List<Tensor> queriesKeysValues,
            BlockwiseAttention.Visible mask,
            Tensor added,
            Scores how,
            double dropout,
            Pass pass,
            String segment) {
        Tensor q_BHTD = queriesKeysValues.get(0);
        double rate = pass.dropout(Regularization.Place.ATTENTION, dropout);
        AttentionTiles.Scores scores = new AttentionTiles.Scores(
                how.scale, how.softCap, rate, rate > 0 ? pass.seed("attention_dropout/" + segment) : 0);
        List<Tensor> inputs = new ArrayList<>(queriesKeysValues);
        if (added != null) {
            inputs.add(added);
        }
        if (how.sinks_H != null) {
            inputs.add(pass.value(how.sinks_H));
        }
        Tensor y_BHTD = pass.apply(new BlockwiseAttention(mask, scores, added != null, how.sinks_H != null), inputs);
        return y_BHTD.transpose(1, 2).reshape(q_BHTD.size(0), q_BHTD.size(2), -1);
    }

    /** On CUDA: every earlier key by libtorch's fused kernel, which needs no mask. */
    static Tensor causalFused(Tensor q_BHTD, Tensor k_BKTD, Tensor v_BKTD, double scale) {
        return fused(q_BHTD, k_BKTD, v_BKTD, null, true, scale, q_BHTD.size(1) / k_BKTD.size(1));
    }

    private static Tensor fused(Tensor q, Tensor k, Tensor v, Tensor mask, boolean causal, double scale, long group) {
        if (group > 1) {
            k = repeatHeads(k, group);
            v = repeatHeads(v, group);
        }
        Tensor y_BHTD = Functional.scaledDotProductAttention(q, k, v, mask, causal, scale);
        return y_BHTD.transpose(1, 2).reshape(q.size(0), q.size(2), q.size(1) * v.size(3));
    }

    private static Tensor repeatHeads(Tensor x_BKSD, long group) {
        long[] s = x_BKSD.shape();
        return x_BKSD.unsqueeze(2).expand(s[0], s[1], group, s[2], s[3]).reshape(s[0], s[1] * group, s[2], s[3]);
    }
}
