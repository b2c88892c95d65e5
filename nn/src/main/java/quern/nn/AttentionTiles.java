package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.RandomStream;
import quern.tensor.RandomStreams;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Attention of some heads of a sequence, a tile of scores at a time. N key-value heads, G query heads for each, T queries, S
 * keys, D head width. Scores, their softmax and sums of gradients are fp32; operands of products have the dtype of the model.
 *
 * <p>With L the logarithm of a row's sum of exponentials, P = exp(scores - L), O the result and δ = Σ dO·O over a row, the
 * gradient of the scores is P·(dP - δ): so L and O are all that the backward needs beside queries, keys and values (Dao 2023,
 * arXiv:2307.08691).
 */
final class AttentionTiles {
    /** What scores are made of and what is added to them. */
    record Scores(double scale, double softCap, double dropout, long seed) {}

    /**
     * @param keyBias added to the scores, fp32, broadcastable to [N, G, 1, S]; {@code null} for none
     * @param mask added to the scores, any dtype, broadcastable to [N, G, T, S]; {@code null} for none
     * @param distances adds a slope times the distance of query and key; {@code null} for none
     */
    record Added(Tensor keyBias, Tensor mask, Distances distances) {
        Added of(long first, long count) {
            return new Added(
                    heads(keyBias, first, count),
                    heads(mask, first, count),
                    distances == null
                            ? null
                            : new Distances(
                                    heads(distances.slopes, first, count),
                                    distances.row,
                                    distances.key,
                                    distances.unit));
        }

        private static Tensor heads(Tensor x, long first, long count) {
            return x == null || x.size(0) == 1 ? x : x.narrow(0, first, count);
        }
    }

    /**
     * Distances of queries and keys.
     *
     * @param slopes fp32 [N, G, 1, 1]
     * @param row where the first query stands
     * @param key where the first key stands
     * @param unit the distance of neighbours
     */
    record Distances(Tensor slopes, long row, long key, long unit) {
        /** [N, G, rows, keys]. */
        Tensor of(TilePlan.Tile tile, TilePlan.Run run) {
            Tensor rows = Tensor.arange(tile.rows(), DType.FP32, slopes.device())
                    .add((double) row + tile.row())
                    .unsqueeze(-1);
            Tensor keys =
                    Tensor.arange(run.length(), DType.FP32, slopes.device()).add((double) key + run.from());
            return slopes.mul(rows.sub(keys).abs().mul(unit));
        }
    }

    /** Sums of gradients, fp32, of the shapes of what they belong to; {@code mask} {@code null} where it is not wanted. */
    record Sums(Tensor queries, Tensor keys, Tensor values, Tensor mask) {}

    /** Scores of a tile that fit the cache of a core beside the operands. */
    private static final long TILE = 1 << 18;

    private final Scores scores;
    private final DType dtype;
    private final Device device;
    private final long stream;

    /** {@code stream} sets the dropout of this call apart from others of the same seed. */
    AttentionTiles(Scores scores, DType dtype, Device device, long stream) {
        this.scores = scores;
        this.dtype = dtype;
        this.device = device;
        this.stream = stream;
    }

    /** Buffers for the largest tile. */
    private final class Buffers {
        private final Tensor wide;
        private final Tensor narrow;

        Buffers(long scores) {
            wide = Tensor.empty(DType.FP32, device, scores);
            narrow = dtype == DType.FP32 ? wide : Tensor.empty(dtype, device, scores);
        }

        /** Room for a product's result. */
        Tensor product(long... shape) {
            return narrow.narrow(0, 0, shape[0] * shape[1] * shape[2]).view(shape);
        }

        /** The last product in fp32. */
        Tensor widened(long... shape) {
            Tensor x = wide.narrow(0, 0, shape[0] * shape[1] * shape[2]).view(shape);
            return narrow == wide ? x : x.copy_(product(shape));
        }

        /** What is in fp32 as an operand of a product. */
        Tensor operand(Tensor x) {
            return narrow == wide ? x : product(x.shape()).copy_(x);
        }
    }

    private interface Share {
        void run(long first, long count);
    }

    /** Key-value heads in shares whose tiles are not too large. */
    private static void shares(long n, long group, TilePlan plan, Share share) {
        long count = Math.clamp(TILE / Math.max(1, plan.widest() * group), 1, n);
        for (long first = 0; first < n; first += count) {
            share.run(first, Math.min(count, n - first));
        }
    }

    /**
     * Writes the results and the logarithms of the rows' sums.
     *
     * @param out [N, G, T, D]
     * @param logSums fp32 [N, G, T, 1]
     */
    void forward(Tensor q_NGTD, Tensor k_NSD, Tensor v_NSD, TilePlan plan, Added added, Tensor out, Tensor logSums) {
        long group = q_NGTD.size(1);
        shares(q_NGTD.size(0), group, plan, (first, n) -> {
            Buffers buffers = new Buffers(n * group * plan.widest());
            Added mine = added.of(first, n);
            int number = 0;
            for (TilePlan.Tile tile : plan.tiles()) {
                try (Scope scope = Scope.open()) {
                    Tensor result = out.narrow(0, first, n).narrow(2, tile.row(), tile.rows());
                    Tensor sums = logSums.narrow(0, first, n).narrow(2, tile.row(), tile.rows());
                    if (tile.runs().isEmpty()) {
                        result.zero_();
                        sums.fill_(TilePlan.HIDDEN);
                        continue;
                    }
                    Tensor q = rows(q_NGTD, first, n, tile);
                    Tensor k = keys(k_NSD, first, n, tile);
                    Tensor p = scores(buffers, q, k, tile, group, mine, null);
                    Tensor most = p.amax(true, -1);
                    p.sub_(most).exp_();
                    Tensor sum = p.sum(true, -1);
                    sums.copy_(most.add(sum.log()).view(sums.shape()));
                    if (scores.dropout > 0) {
                        p.mul_(dropped(p, first, number));
                    }
                    Tensor y = buffers.operand(p).bmm(keys(v_NSD, first, n, tile));
                    result.copy_(y.div(sum).view(result.shape()));
                }
                number++;
            }
        });
    }

    /**
     * Adds to the gradients.
     *
     * @param dOut the gradient of the results, [N, G, T, D]
     * @param logSums of all that a row sees, here and elsewhere
     * @param deltas Σ dO·O of each row, fp32 [N, G, T, 1]
     */
    void backward(
            Tensor q_NGTD,
            Tensor k_NSD,
            Tensor v_NSD,
            TilePlan plan,
            Added added,
            Tensor dOut,
            Tensor logSums,
            Tensor deltas,
            Sums to) {
        long group = q_NGTD.size(1);
        shares(q_NGTD.size(0), group, plan, (first, n) -> {
            Buffers one = new Buffers(n * group * plan.widest());
            Buffers other = new Buffers(n * group * plan.widest());
            Added mine = added.of(first, n);
            Tensor maskSums = Added.heads(to.mask, first, n);
            int number = 0;
            for (TilePlan.Tile tile : plan.tiles()) {
                if (tile.runs().isEmpty()) {
                    continue;
                }
                try (Scope scope = Scope.open()) {
                    long rows = group * tile.rows();
                    Tensor q = rows(q_NGTD, first, n, tile);
                    Tensor k = keys(k_NSD, first, n, tile);
                    Tensor v = keys(v_NSD, first, n, tile);
                    Tensor dy = rows(dOut, first, n, tile);
                    Tensor[] bounded = new Tensor[1];
                    Tensor p = scores(one, q, k, tile, group, mine, bounded);
                    p.sub_(column(logSums, first, n, tile)).exp_();
                    Tensor dropped = scores.dropout > 0 ? dropped(p, first, number) : null;
                    Tensor weights = one.operand(dropped == null ? p : p.mul(dropped));
                    addKeys(to.values, first, n, tile, weights.transpose(1, 2), dy, 1);
                    long[] shape = {n, rows, tile.columns()};
                    other.product(shape).baddbmm_(dy, v.transpose(1, 2), 0, 1);
                    Tensor ds = other.widened(shape);
                    if (dropped != null) {
                        ds.mul_(dropped);
                    }
                    ds.sub_(column(deltas, first, n, tile)).mul_(p);
                    if (maskSums != null) {
                        addMask(maskSums, ds, n, group, tile);
                    }
                    if (bounded[0] != null) {
                        ds.mul_(bounded[0].square().neg().add_(1));
                    }
                    Tensor operand = other.operand(ds);
                    Tensor dq = to.queries.narrow(0, first, n).narrow(2, tile.row(), tile.rows());
                    dq.add_(operand.bmm(k).view(dq.shape()), scores.scale);
                    addKeys(to.keys, first, n, tile, operand.transpose(1, 2), q, scores.scale);
                }
                number++;
            }
        });
    }

    /** Scores fp32 [N, G·rows, columns] with all that is added; {@code bounded} gets tanh of them where they have a cap. */
    private Tensor scores(
            Buffers buffers, Tensor q, Tensor k, TilePlan.Tile tile, long group, Added added, Tensor[] bounded) {
        long n = q.size(0);
        long[] shape = {n, q.size(1), tile.columns()};
        buffers.product(shape).baddbmm_(q, k.transpose(1, 2), 0, scores.scale);
        Tensor s = buffers.widened(shape);
        if (scores.softCap > 0) {
            s.mul_(1 / scores.softCap).tanh_();
            if (bounded != null) {
                bounded[0] = s.copy();
            }
            s.mul_(scores.softCap);
        }
        Tensor byHead = s.view(n, group, tile.rows(), tile.columns());
        for (TilePlan.Edge edge : tile.edges()) {
            byHead.narrow(3, edge.column(), edge.width()).add_(edge.mask());
        }
        long column = 0;
        for (TilePlan.Run run : tile.runs()) {
            if (added.keyBias != null) {
                byHead.narrow(3, column, run.length()).add_(added.keyBias.narrow(-1, run.from(), run.length()));
            }
            if (added.distances != null) {
                byHead.narrow(3, column, run.length()).add_(added.distances.of(tile, run));
            }
            if (added.mask != null) {
                byHead.narrow(3, column, run.length()).add_(ofTile(added.mask, tile, run));
            }
            column += run.length();
        }
        return s;
    }

    private static Tensor ofTile(Tensor mask, TilePlan.Tile tile, TilePlan.Run run) {
        Tensor rows = mask.size(2) == 1 ? mask : mask.narrow(2, tile.row(), tile.rows());
        return rows.size(3) == 1 ? rows : rows.narrow(3, run.from(), run.length());
    }

    private static void addMask(Tensor sums, Tensor ds, long n, long group, TilePlan.Tile tile) {
        Tensor byHead = ds.view(n, group, tile.rows(), tile.columns());
        long column = 0;
        for (TilePlan.Run run : tile.runs()) {
            Tensor to = ofTile(sums, tile, run);
            Tensor more = byHead.narrow(3, column, run.length());
            for (int dim = 0; dim < 4; dim++) {
                more = to.size(dim) == 1 && more.size(dim) > 1 ? more.sum(true, dim) : more;
            }
            to.add_(more);
            column += run.length();
        }
    }

    /** The tile's rows of all heads, [N, G·rows, D]. */
    private static Tensor rows(Tensor x_NGTD, long first, long n, TilePlan.Tile tile) {
        Tensor rows = x_NGTD.narrow(0, first, n).narrow(2, tile.row(), tile.rows());
        return rows.reshape(n, rows.size(1) * rows.size(2), rows.size(3));
    }

    private static Tensor column(Tensor x_NGT1, long first, long n, TilePlan.Tile tile) {
        return rows(x_NGT1, first, n, tile);
    }

    /** The keys that the tile sees, [N, columns, D]. */
    private static Tensor keys(Tensor x_NSD, long first, long n, TilePlan.Tile tile) {
        Tensor mine = x_NSD.narrow(0, first, n);
        List<Tensor> runs = tile.runs().stream()
                .map(run -> mine.narrow(1, run.from(), run.length()))
                .toList();
        return runs.size() == 1 ? runs.get(0) : Tensor.cat(runs, 1);
    }

    /** {@code sums += factor · a·b} in the rows of the tile's keys. */
    private void addKeys(Tensor sums_NSD, long first, long n, TilePlan.Tile tile, Tensor a, Tensor b, double factor) {
        Tensor mine = sums_NSD.narrow(0, first, n);
        if (tile.runs().size() == 1 && dtype == DType.FP32) {
            TilePlan.Run run = tile.runs().get(0);
            mine.narrow(1, run.from(), run.length()).baddbmm_(a, b, 1, factor);
            return;
        }
        Tensor product = a.bmm(b);
        long column = 0;
        for (TilePlan.Run run : tile.runs()) {
            mine.narrow(1, run.from(), run.length()).add_(product.narrow(1, column, run.length()), factor);
            column += run.length();
        }
    }

    /** 1/(1-p) or 0 for each pattern's element; the same each time it is asked for. */
    private Tensor dropped(Tensor p, long first, int tile) {
        RandomStream random = new RandomStream(new RandomStreams(scores.seed).seed("tile", stream, first, tile));
        return Tensor.empty(DType.FP32, Device.CPU, p.shape())
                .bernoulli_(1 - scores.dropout, random)
                .div_(1 - scores.dropout)
                .to(device);
    }
}
