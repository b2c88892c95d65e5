package quern.nn;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.ParallelOperators;
import quern.tensor.Tensor;

/**
 * Exact attention that never holds all scores: queries go in blocks that meet only the keys that some of them see, and the
 * backward computes each block's scores again (Dao et al. 2022, arXiv:2205.14135). B batch, H query heads, KV key-value heads,
 * T queries, S keys, D head width.
 *
 * <p>Inputs: queries [B, H, T, D], keys [B, KV, S, D], values [B, KV, S, E], and where there is one an additive mask broadcastable to [B,
 * H, T, S], which gets a gradient where it wants one, and the logits of sinks [H]. Result: [B, H, T, E], 0 in rows of no
 * sequence.
 *
 * <p>The far keys of {@link SparsePattern.Strided} are those of a query's own remainder: rows of one remainder lie together
 * then and meet as ordinary blocks, and their results join those of near keys by the logarithms of the sums.
 */
final class BlockwiseAttention implements HandWrittenOperator {
    /** Queries of a block. */
    private static final long ROWS = 128;

    /** Fewer heads of a sequence are not worth a thread's scope. */
    private static final long MOST_HEADS = 16;

    /**
     * Rows of queries and of keys in memory that belong together.
     *
     * @param rowPosition the first query's position, counted from the sequence's first real token
     * @param keyPosition the first key's
     * @param prefix keys at its start whose queries see them all
     * @param keyBias added to the scores, fp32 [H or 1, 1, keys]; {@code null} for none
     * @param blind whether no query sees a key; each then looks at all alike, as with all scores at once
     */
    record Sequence(
            int batch,
            long row,
            long rows,
            long key,
            long keys,
            long rowPosition,
            long keyPosition,
            long prefix,
            Tensor keyBias,
            boolean blind) {
        /** Queries that see none of the keys in memory. */
        static Sequence blind(int batch, long row, long rows, long keys) {
            return new Sequence(batch, row, rows, 0, keys, 0, 0, 0, null, true);
        }

        private Sequence with(Tensor bias) {
            return new Sequence(batch, row, rows, key, keys, rowPosition, keyPosition, prefix, bias, blind);
        }
    }

    /**
     * What queries see.
     *
     * @param near keys in a band, and at the start
     * @param stride the distance of far keys, 0 where there are none
     * @param slopes what a distance of 1 adds to a score, fp32 [H, 1, 1]; {@code null} for nothing
     */
    record Visible(List<Sequence> sequences, VisibleKeys near, int stride, Tensor slopes) {
        /** The same with tensors that outlive the present scope, until {@link #close}. */
        private Visible kept() {
            List<Sequence> all = sequences.stream()
                    .map(s -> s.keyBias == null ? s : s.with(s.keyBias.keep()))
                    .toList();
            return new Visible(all, near, stride, slopes == null ? null : slopes.keep());
        }

        private void close() {
            for (Sequence s : sequences) {
                if (s.keyBias != null) {
                    s.keyBias.close();
                }
            }
            if (slopes != null) {
                slopes.close();
            }
        }

        /** Each row of a batch sees all of its keys. */
        static Visible all(Tensor q_BHTD, Tensor k_BKSD) {
            List<Sequence> rows = new ArrayList<>();
            for (int b = 0; b < q_BHTD.size(0); b++) {
                rows.add(new Sequence(b, 0, q_BHTD.size(2), 0, k_BKSD.size(2), 0, 0, 0, null, false));
            }
            return new Visible(rows, VisibleKeys.all(), 0, null);
        }
    }

    private final Visible visible;
    private final List<Sequence> sequences;
    private final VisibleKeys near;
    private final int stride;
    private final Tensor slopes;
    private final AttentionTiles.Scores scores;
    private final boolean hasMask;
    private final boolean hasSinks;

    /**
     * @param hasMask whether the fourth input is an additive mask
     * @param hasSinks whether the last input holds the logits of sinks
     */
    BlockwiseAttention(Visible visible, AttentionTiles.Scores scores, boolean hasMask, boolean hasSinks) {
        this.visible = visible;
        this.sequences = visible.sequences;
        this.near = visible.near;
        this.stride = visible.stride;
        this.slopes = visible.slopes;
        this.scores = scores;
        this.hasMask = hasMask;
        this.hasSinks = hasSinks;
    }

    /** A share of the work: some key-value heads of a sequence. */
    private record Piece(int number, Sequence sequence, TilePlan near, TilePlan far, long head, long heads) {}

    private record PlanKey(long rows, long keys, long rowPosition, long keyPosition, long prefix) {}

    private List<Piece> pieces(Tensor q_BHTD, Tensor k_BKSD) {
        Device device = q_BHTD.device();
        long kv = k_BKSD.size(1);
        long group = q_BHTD.size(1) / kv;
        long tileRows = near.block() == 1
                ? Math.max(16, ROWS / group)
                : near.block() * Math.max(1, ROWS / group / near.block());
        // Enough pieces for all threads, and no more heads in one than a tile's scores allow.
        long heads = Math.clamp(kv * sequences.size() / 4, 1, Math.min(kv, MOST_HEADS));
        Map<PlanKey, TilePlan> plans = new HashMap<>();
        Map<PlanKey, TilePlan> farPlans = new HashMap<>();
        List<Piece> pieces = new ArrayList<>();
        for (Sequence s : sequences) {
            PlanKey key = new PlanKey(s.rows, s.keys, s.rowPosition, s.keyPosition, s.prefix);
            TilePlan plan = s.blind
                    ? null
                    : plans.computeIfAbsent(
                            key,
                            x -> TilePlan.of(
                                    near.withPrefix(s.prefix),
                                    s.rows,
                                    s.keys,
                                    s.rowPosition,
                                    s.keyPosition,
                                    tileRows,
                                    device));
            TilePlan far = stride == 0 || s.blind ? null : farPlans.computeIfAbsent(key, x -> farPlan(s, device));
            for (long head = 0; head < kv; head += heads) {
                pieces.add(new Piece(pieces.size(), s, plan, far, head, Math.min(heads, kv - head)));
            }
        }
        return pieces;
    }

    /** Of one remainder: its queries and keys are every stride-th. */
    private TilePlan farPlan(Sequence s, Device device) {
        long rows = Strides.count(s.rowPosition, s.rows, stride);
        long keys = Strides.count(s.keyPosition, s.keys, stride);
        return TilePlan.of(
                VisibleKeys.others(near.ahead()),
                rows,
                keys,
                s.rowPosition / stride,
                s.keyPosition / stride,
                ROWS,
                device);
    }

    /** The tensors of a piece, [N, G, T, D] and [N, S, D]. */
    private record Operands(Tensor q, Tensor k, Tensor v, AttentionTiles.Added added) {}

    private Operands operands(Piece p, List<Tensor> inputs) {
        return new Operands(
                queries(p, inputs.get(0), inputs.get(1)),
                keys(p, inputs.get(1)),
                keys(p, inputs.get(2)),
                new AttentionTiles.Added(
                        keyBias(p, inputs), hasMask ? mask(p, inputs, inputs.get(3)) : null, distances(p, inputs)));
    }

    private AttentionTiles.Distances distances(Piece p, List<Tensor> inputs) {
        return slopes == null
                ? null
                : new AttentionTiles.Distances(
                        perHead(p, slopes.view(1, -1, 1, 1), inputs),
                        p.sequence.rowPosition,
                        p.sequence.keyPosition,
                        1);
    }

    /** A number for each of a piece's heads, [N, G, 1, 1], from [1, H, 1, 1]. */
    private static Tensor perHead(Piece p, Tensor x_1H11, List<Tensor> inputs) {
        long kv = inputs.get(1).size(1);
        return x_1H11.view(kv, x_1H11.size(1) / kv, 1, 1).narrow(0, p.head, p.heads);
    }

    private static Tensor queries(Piece p, Tensor x_BHTD, Tensor k_BKSD) {
        long kv = k_BKSD.size(1);
        return x_BHTD.select(0, p.sequence.batch)
                .view(kv, x_BHTD.size(1) / kv, x_BHTD.size(2), x_BHTD.size(3))
                .narrow(0, p.head, p.heads)
                .narrow(2, p.sequence.row, p.sequence.rows);
    }

    private static Tensor keys(Piece p, Tensor x_BKSD) {
        return x_BKSD.select(0, p.sequence.batch).narrow(0, p.head, p.heads).narrow(1, p.sequence.key, p.sequence.keys);
    }

    private static Tensor keyBias(Piece p, List<Tensor> inputs) {
        Tensor bias = p.sequence.keyBias;
        if (bias == null) {
            return null;
        }
        long kv = inputs.get(1).size(1);
        long group = inputs.get(0).size(1) / kv;
        return bias.size(0) == 1
                ? bias.unsqueeze(0)
                : bias.view(kv, group, 1, bias.size(2)).narrow(0, p.head, p.heads);
    }

    /** The part of an additive mask, or of the sums of its gradient, that a piece sees: [N or 1, G or 1, T or 1, S or 1]. */
    private static Tensor mask(Piece p, List<Tensor> inputs, Tensor mask) {
        long kv = inputs.get(1).size(1);
        long group = inputs.get(0).size(1) / kv;
        Tensor x = mask;
        while (x.dim() < 4) {
            x = x.unsqueeze(0);
        }
        x = x.select(0, x.size(0) == 1 ? 0 : p.sequence.batch);
        x = x.size(0) == 1
                ? x.unsqueeze(0)
                : x.view(kv, group, x.size(1), x.size(2)).narrow(0, p.head, p.heads);
        x = x.size(2) == 1 ? x : x.narrow(2, p.sequence.row, p.sequence.rows);
        return x.size(3) == 1 ? x : x.narrow(3, p.sequence.key, p.sequence.keys);
    }

    private AttentionTiles tiles(Tensor q, Piece p, int part) {
        return new AttentionTiles(scores, q.dtype(), q.device(), 2L * p.number + part);
    }

    @Override
    public Computed forward(List<Tensor> inputs) {
        Tensor q = inputs.get(0);
        List<Piece> pieces = pieces(q, inputs.get(1));
        Tensor v = inputs.get(2);
        Tensor out = Tensor.zeros(q.dtype(), q.device(), q.size(0), q.size(1), q.size(2), v.size(3));
        Tensor logSums = Tensor.zeros(DType.FP32, q.device(), q.size(0), q.size(1), q.size(2), 1);
        ParallelOperators.run(pieces.size(), isInline(q, pieces), number -> {
            Piece p = pieces.get(number);
            Operands x = operands(p, inputs);
            Tensor y = queries(p, out, inputs.get(1));
            Tensor sums = queries(p, logSums, inputs.get(1));
            if (p.sequence.blind) {
                y.copy_(x.v.mean(true, 1).unsqueeze(1));
                sums.fill_(TilePlan.HIDDEN);
            } else {
                tiles(q, p, 0).forward(x.q, x.k, x.v, p.near, x.added, y, sums);
            }
            if (p.far != null) {
                addFar(p, x, y, sums);
            }
            if (hasSinks) {
                Tensor sinks = perHead(p, inputs.getLast().to(DType.FP32).view(1, -1, 1, 1), inputs);
                join(y, sums, null, sinks);
            }
        });
        BlockwiseAttention lasting = new BlockwiseAttention(visible.kept(), scores, hasMask, hasSinks);
        return lasting.new Result(inputs, out, logSums);
    }

    private static boolean isInline(Tensor q, List<Piece> pieces) {
        return q.device().isCuda() || pieces.size() == 1;
    }

    private void addFar(Piece p, Operands x, Tensor y, Tensor sums) {
        Strides rows = new Strides(p.sequence.rowPosition, p.sequence.rows, stride);
        Strides keys = new Strides(p.sequence.keyPosition, p.sequence.keys, stride);
        Tensor q = rows.apart(x.q);
        Tensor farY = Tensor.empty(q.dtype(), q.device(), q.size(0), q.size(1), q.size(2), x.v.size(2));
        Tensor farSums = Tensor.empty(DType.FP32, q.device(), q.size(0), q.size(1), q.size(2), 1);
        tiles(q, p, 1).forward(q, keys.apartKeys(x.k), keys.apartKeys(x.v), p.far, farBias(p, x, keys), farY, farSums);
        join(y, sums, rows.together(farY, p.heads), rows.together(farSums, p.heads));
    }

    /** Makes of two results that of all keys together; {@code other} {@code null} where those keys have no values. */
    private static void join(Tensor y, Tensor sums, Tensor other, Tensor otherSums) {
        Tensor most = sums.maximum(otherSums);
        Tensor all =
                sums.sub(most).exp_().add_(otherSums.sub(most).exp_()).log().add_(most);
        Tensor mine = y.mul(sums.sub(all).exp_());
        y.copy_(other == null ? mine : mine.add(other.mul(otherSums.sub(all).exp_())));
        sums.copy_(all);
    }

    /** Biases of keys; keys that fill up the last stride are hidden. */
    private AttentionTiles.Added farBias(Piece p, Operands x, Strides keys) {
        AttentionTiles.Distances near = x.added.distances();
        AttentionTiles.Distances far = near == null
                ? null
                : new AttentionTiles.Distances(
                        near.slopes()
                                .unsqueeze(1)
                                .expand(p.heads, stride, x.q.size(1), 1, 1)
                                .reshape(p.heads * stride, x.q.size(1), 1, 1),
                        p.sequence.rowPosition / stride,
                        p.sequence.keyPosition / stride,
                        stride);
        Tensor bias = x.added.keyBias();
        Tensor hidden = keys.filler(x.q.device());
        Tensor all = null;
        if (bias != null) {
            long n = p.heads;
            long group = x.q.size(1);
            all = keys.apart(bias.expand(n, group, 1, bias.size(3)).transpose(2, 3))
                    .transpose(2, 3);
        }
        if (hidden != null) {
            Tensor each = hidden.repeat(p.heads, 1, 1, 1);
            all = all == null ? each : all.add(each);
        }
        return new AttentionTiles.Added(all, null, far);
    }

    /** What the backward needs: the inputs, the result, and a number a row. */
    private final class Result implements Computed {
        private final Tensor result;
        private final List<Tensor> held = new ArrayList<>();
        private final boolean maskWanted;

        Result(List<Tensor> inputs, Tensor out, Tensor logSums) {
            result = out;
            for (Tensor input : inputs) {
                held.add(input.detach().keep());
            }
            maskWanted = hasMask && inputs.get(3).requiresGrad();
            held.add(out.keep());
            held.add(logSums.keep());
        }

        @Override
        public Tensor result() {
            return result;
        }

        @Override
        public List<Tensor> backward(Tensor dOut) {
            List<Tensor> inputs = held.subList(0, held.size() - 2);
            Tensor out = held.get(held.size() - 2);
            Tensor logSums = held.getLast();
            Tensor q = inputs.get(0);
            List<Piece> pieces = pieces(q, inputs.get(1));
            List<Tensor> sums = new ArrayList<>();
            for (Tensor input : inputs) {
                boolean wanted = sums.size() < 3 || sums.size() == 3 && maskWanted;
                sums.add(wanted ? Tensor.zeros(DType.FP32, q.device(), input.shape()) : null);
            }
            Tensor deltas_BHT1 = Tensor.zeros(DType.FP32, q.device(), logSums.shape());
            // Sequences share what is added to a mask's gradient.
            boolean inline = isInline(q, pieces) || maskWanted;
            ParallelOperators.run(pieces.size(), inline, number -> {
                Piece p = pieces.get(number);
                Operands x = operands(p, inputs);
                Tensor dy = queries(p, dOut, inputs.get(1));
                Tensor y = queries(p, out, inputs.get(1));
                Tensor deltas = queries(p, deltas_BHT1, inputs.get(1));
                deltas.copy_(dy.to(DType.FP32).mul(y).sum(true, -1));
                AttentionTiles.Sums to = new AttentionTiles.Sums(
                        queries(p, sums.get(0), inputs.get(1)),
                        keys(p, sums.get(1)),
                        keys(p, sums.get(2)),
                        maskWanted ? mask(p, inputs, sums.get(3)) : null);
                if (p.sequence.blind) {
                    // A sink takes all of such a row.
                    if (!hasSinks) {
                        blindBackward(x, dy.to(DType.FP32), deltas, to);
                    }
                    return;
                }
                Tensor rowSums = queries(p, logSums, inputs.get(1));
                tiles(q, p, 0).backward(x.q, x.k, x.v, p.near, x.added, dy, rowSums, deltas, to);
                if (p.far != null) {
                    farBackward(p, x, dy, rowSums, deltas, to);
                }
            });
            if (hasSinks) {
                // A sink's score has the gradient P·(0 - δ), as it has no value.
                Tensor sinks_1H11 = inputs.getLast().to(DType.FP32).view(1, -1, 1, 1);
                Tensor shares = sinks_1H11.sub(logSums).exp_();
                sums.set(
                        inputs.size() - 1,
                        shares.mul(deltas_BHT1).sum(false, 0, 2, 3).neg());
            }
            List<Tensor> gradients = new ArrayList<>();
            for (int i = 0; i < inputs.size(); i++) {
                gradients.add(
                        sums.get(i) == null
                                ? null
                                : sums.get(i).to(inputs.get(i).dtype()));
            }
            return gradients;
        }

        /** Of a pattern of 1/S everywhere: sums over its rows and columns come before the products, so that cost is linear. */
        private void blindBackward(Operands x, Tensor dy_NGTE, Tensor deltas_NGT1, AttentionTiles.Sums to) {
            long n = x.q.size(0);
            long keys = x.k.size(1);
            Tensor q_NRD = x.q.to(DType.FP32).reshape(n, -1, x.q.size(3));
            Tensor k_NSD = x.k.to(DType.FP32);
            Tensor v_NSE = x.v.to(DType.FP32);
            Tensor dy_NRE = dy_NGTE.reshape(n, -1, x.v.size(2));
            Tensor deltas_NR1 = deltas_NGT1.reshape(n, -1, 1);
            double share = scores.scale() / keys;
            to.values().add_(dy_NRE.sum(true, 1).div(keys));
            Tensor dq_NRD = dy_NRE.bmm(v_NSE.transpose(1, 2).bmm(k_NSD)).sub(deltas_NR1.mul(k_NSD.sum(true, 1)));
            to.queries().add_(dq_NRD.view(to.queries().shape()), share);
            Tensor dk_NSD = v_NSE.bmm(dy_NRE.transpose(1, 2).bmm(q_NRD))
                    .sub(deltas_NR1.mul(q_NRD).sum(true, 1));
            to.keys().add_(dk_NSD, share);
        }

        private void farBackward(
                Piece p, Operands x, Tensor dy, Tensor logSums, Tensor deltas, AttentionTiles.Sums to) {
            Strides rows = new Strides(p.sequence.rowPosition, p.sequence.rows, stride);
            Strides keys = new Strides(p.sequence.keyPosition, p.sequence.keys, stride);
            Tensor q = rows.apart(x.q);
            Tensor k = keys.apartKeys(x.k);
            Tensor v = keys.apartKeys(x.v);
            AttentionTiles.Sums far = new AttentionTiles.Sums(
                    Tensor.zeros(DType.FP32, q.device(), q.shape()),
                    Tensor.zeros(DType.FP32, q.device(), k.shape()),
                    Tensor.zeros(DType.FP32, q.device(), v.shape()),
                    null);
            // Rows that fill up the first and last stride get such a sum that nothing of them is left.
            tiles(q, p, 1)
                    .backward(
                            q,
                            k,
                            v,
                            p.far,
                            farBias(p, x, keys),
                            rows.apart(dy),
                            rows.apart(logSums, -TilePlan.HIDDEN),
                            rows.apart(deltas),
                            far);
            to.queries().add_(rows.together(far.queries(), p.heads));
            to.keys().add_(keys.togetherKeys(far.keys(), p.heads));
            to.values().add_(keys.togetherKeys(far.values(), p.heads));
        }

        @Override
        public void close() {
            held.forEach(Tensor::close);
            visible.close();
        }
    }

    /**
     * Positions laid apart by their remainder: row r of remainder p stands at position (first + r)·stride + p. Where positions
     * do not fill the first and the last stride, rows of a constant do.
     */
    private record Strides(long position, long length, int stride) {
        static long count(long position, long length, int stride) {
            return Math.ceilDiv(position + length, (long) stride) - position / stride;
        }

        private long count() {
            return count(position, length, stride);
        }

        private long before() {
            return position % stride;
        }

        private long behind() {
            return count() * stride - before() - length;
        }

        /** [N, G, T, D] to [N·stride, G, count, D]. */
        Tensor apart(Tensor x) {
            return apart(x, 0);
        }

        private Tensor apart(Tensor x, double filler) {
            Tensor whole = filled(x, filler);
            long[] s = whole.shape();
            return whole.view(s[0], s[1], count(), stride, s[3])
                    .permute(0, 3, 1, 2, 4)
                    .reshape(s[0] * stride, s[1], count(), s[3]);
        }

        Tensor apartKeys(Tensor x_NSD) {
            return apart(x_NSD.unsqueeze(1)).squeeze(1);
        }

        private Tensor filled(Tensor x, double filler) {
            long[] s = x.shape();
            List<Tensor> parts = new ArrayList<>();
            if (before() > 0) {
                parts.add(Tensor.full(filler, x.dtype(), x.device(), s[0], s[1], before(), s[3]));
            }
            parts.add(x);
            if (behind() > 0) {
                parts.add(Tensor.full(filler, x.dtype(), x.device(), s[0], s[1], behind(), s[3]));
            }
            return parts.size() == 1 ? x.contiguous() : Tensor.cat(parts, 2);
        }

        /** And back. */
        Tensor together(Tensor x, long n) {
            long[] s = x.shape();
            return x.view(n, stride, s[1], s[2], s[3])
                    .permute(0, 2, 3, 1, 4)
                    .reshape(n, s[1], s[2] * stride, s[3])
                    .narrow(2, before(), length);
        }

        Tensor togetherKeys(Tensor x, long n) {
            return together(x.unsqueeze(1), n).squeeze(1);
        }

        /** Hides rows that fill up: fp32 [stride, 1, 1, count]; {@code null} when there are none. */
        Tensor filler(Device device) {
            if (before() == 0 && behind() == 0) {
                return null;
            }
            float[] hidden = new float[Math.toIntExact(count() * stride)];
            Arrays.fill(hidden, (float) TilePlan.HIDDEN);
            Arrays.fill(hidden, (int) before(), (int) (before() + length), 0);
            return Tensor.of(hidden, count(), stride).to(device).transpose(0, 1).reshape(stride, 1, 1, count());
        }
    }
}
