package quern.nn;

import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.RandomStreams;
import quern.tensor.Tensor;

/**
 * Widens a network so that the wider one computes what the smaller one did (Chen et al. 2016, "Net2Net"; Chen et al. 2022,
 * "bert2BERT"): features, heads and inner features are copied, and whatever reads copies reads them in shares that sum to
 * one.
 *
 * <ul>
 *   <li>The residual stream becomes several copies of itself, one behind another, so that the statistics of norms over it
 *       stay as they are: its width must be a multiple of the smaller one's.
 *   <li>Heads are copied whole, their width stays. Key-value heads may be copied or kept.
 *   <li>Inner features of a feed-forward part are copied one after another; any larger number will do.
 *   <li>A head tied to the embedding can't read in shares, so the norm before it carries them.
 * </ul>
 *
 * <p>Deviation from the papers: the shares of copies are not equal but drawn from [0.5, 1.5] and divided by their sum.
 * With equal ones copies would have equal gradients, and stay copies for ever; the papers add noise, which the loss feels.
 */
public final class WidthGrowth {
    private static final double LEAST_SHARE = 0.5;
    private static final double MOST_SHARE = 1.5;

    /**
     * A dimension that grows.
     *
     * @param of which old index each new one is a copy of
     * @param read whether it is summed over, so that copies carry shares
     */
    private record Axis(long[] of, boolean read) {
        static Axis join(List<Axis> parts, long[] oldSizes) {
            LongStream all = LongStream.empty();
            long start = 0;
            for (int i = 0; i < parts.size(); i++) {
                long offset = start;
                all = LongStream.concat(all, Arrays.stream(parts.get(i).of).map(j -> j + offset));
                start += oldSizes[i];
            }
            return new Axis(all.toArray(), false);
        }

        /** Each index stands for a whole unit of this many features. */
        Axis ofUnits(long width) {
            long[] features = new long[Math.toIntExact(of.length * width)];
            for (int i = 0; i < features.length; i++) {
                features[i] = of[(int) (i / width)] * width + i % width;
            }
            return new Axis(features, read);
        }

        Axis asRead() {
            return new Axis(of, true);
        }
    }

    private static final Axis FIXED = null;

    private final GrownValues values;
    private final RandomStreams random;
    private Axis stream;

    private WidthGrowth(GrownValues values, RandomStreams random) {
        this.values = values;
        this.random = random;
    }

    /**
     * The wider network's values, by the names of its parameters, in the caller's scope.
     *
     * @param large may be an outline; only its shapes are read
     * @param random draws the shares
     * @throws QuernException bad input where a size shrinks or can't become the other one, or where the network has parts
     *     of which this class doesn't know how they widen
     */
    public static Map<String, Tensor> values(Network small, Network large, RandomStreams random) {
        GrownValues values = new GrownValues(false);
        new WidthGrowth(values, random).grow(small, large);
        return values.values();
    }

    /** Whether it can be widened: throws what {@link #values} would, from outlines. */
    public static void check(Network small, Network large) {
        new WidthGrowth(new GrownValues(true), new RandomStreams(0)).grow(small, large);
    }

    private void grow(Network small, Network large) {
        List<Segment> before = small.segments();
        List<Segment> after = large.segments();
        if (before.size() != after.size()) {
            throw QuernException.badInput(
                    "growing in width leaves the layers as they are, but the smaller model has %d segments and the grown one %d; use a stage of its own with grow: stack",
                    before.size(), after.size());
        }
        Map<String, long[]> shapes = new HashMap<>();
        small.parameters().forEach(p -> shapes.put(p.name(), p.value().shape()));
        if (large.parameters().stream().allMatch(p -> Arrays.equals(p.value().shape(), shapes.get(p.name())))) {
            throw QuernException.badInput(
                    "growing in width changes nothing: every size is the smaller model's; raise some, or leave grow out");
        }
        boolean tied = tied(large);
        for (int i = 0; i < before.size(); i++) {
            segment(before.get(i), after.get(i), tied, i > 0 ? before.get(i - 1) : null, i == before.size() - 2);
        }
        for (Parameter p : large.parameters()) {
            if (!values.has(p)) {
                throw QuernException.badInput("'%s' is of a kind that can't grow in width; use grow: stack", p.name());
            }
        }
    }

    /**
     * @param tied whether the head's matrix is the embedding's
     * @param last whether only the head follows
     */
    private void segment(Segment small, Segment large, boolean tied, Segment earlier, boolean last) {
        switch (small) {
            case TokenEmbedding e when large instanceof TokenEmbedding l -> embedding(e, l);
            case TransformerBlock b when large instanceof TransformerBlock l -> block(b, l);
            case FinalNorm n
            when large instanceof FinalNorm l ->
                norm(n.norm(), l.norm(), tied && last ? stream().asRead() : stream());
            case LanguageModelHead h when large instanceof LanguageModelHead l -> head(h, l, tied, earlier);
            case Segment s when s.parameters().isEmpty() -> {}
            default ->
                throw QuernException.badInput(
                        "segment '%s' is of a kind that can't grow in width; use grow: stack", small.name());
        }
    }

    private static boolean tied(Network network) {
        Map<String, Integer> users = new LinkedHashMap<>();
        network.segments()
                .forEach(s -> s.parameters().stream()
                        .map(Parameter::name)
                        .distinct()
                        .forEach(name -> users.merge(name, 1, Integer::sum)));
        return network.segments().getLast() instanceof LanguageModelHead head
                && head.output().parameters().stream().anyMatch(p -> users.get(p.name()) > 1);
    }

    private Axis stream() {
        if (stream == null) {
            throw QuernException.badInput("a network without an embedding at its start can't grow in width");
        }
        return stream;
    }

    private void embedding(TokenEmbedding small, TokenEmbedding large) {
        TokenEmbedding.Plain from = small.plain();
        TokenEmbedding.Plain to = large.plain();
        if (from == null || to == null) {
            throw QuernException.badInput(
                    "segment '%s' does more than look vectors up, so it can't grow in width; use grow: stack",
                    small.name());
        }
        stream = tiled(
                "the width of the stream",
                from.tokens().value().size(1),
                to.tokens().value().size(1));
        put(from.tokens(), to.tokens(), FIXED, stream);
        if (from.positions() != null) {
            put(from.positions(), to.positions(), FIXED, stream);
        }
    }

    private void block(TransformerBlock small, TransformerBlock large) {
        for (int s = 0; s < small.steps().size(); s++) {
            List<Object> from = small.steps().get(s).owners();
            List<Object> to = large.steps().get(s).owners();
            for (int i = 0; i < from.size(); i++) {
                switch (from.get(i)) {
                    case Norm n -> norm(n, (Norm) to.get(i), stream());
                    case SelfAttention a -> attention(a.parts(), ((SelfAttention) to.get(i)).parts());
                    case FeedForward f -> feedForward(f.parts(), ((FeedForward) to.get(i)).parts());
                    default ->
                        throw QuernException.badInput(
                                "block '%s': its %s is of a kind that can't grow in width; use grow: stack",
                                small.name(), ((Branch) from.get(i)).label());
                }
            }
        }
    }

    private void attention(SelfAttention.Parts small, SelfAttention.Parts large) {
        SelfAttention.Shape from = small.shape();
        SelfAttention.Shape to = large.shape();
        if (from.headWidth() != to.headWidth()) {
            throw QuernException.badInput(
                    "the size of a head would change from %d to %d, which rotates and scales otherwise; widen the stream and the number of heads by one factor",
                    from.headWidth(), to.headWidth());
        }
        requireMultiple("the number of key-value heads", from.keyValueHeads(), to.keyValueHeads());
        requireMultiple("the number of heads", from.heads(), to.heads());
        long width = from.headWidth();
        int group = from.heads() / from.keyValueHeads();
        int newGroup = to.heads() / to.keyValueHeads();
        requireMultiple("the heads that share a key-value head", group, newGroup);
        Axis keys = new Axis(
                LongStream.range(0, to.keyValueHeads())
                        .map(j -> j % from.keyValueHeads())
                        .toArray(),
                false);
        // A copied head must read a copy of the keys that it read.
        Axis queries = new Axis(
                LongStream.range(0, to.heads())
                        .map(j -> keys.of[(int) (j / newGroup)] * group + j % newGroup % group)
                        .toArray(),
                false);
        Axis q = queries.ofUnits(width);
        Axis kv = keys.ofUnits(width);
        if (small.inputs().size() == 3) {
            slot(small.inputs().get(0), large.inputs().get(0), q, stream());
            slot(small.inputs().get(1), large.inputs().get(1), kv, stream());
            slot(small.inputs().get(2), large.inputs().get(2), kv, stream());
        } else {
            slot(
                    small.inputs().getFirst(),
                    large.inputs().getFirst(),
                    small.groupedInput() ? grouped(queries, keys, group, newGroup, width) : fused(q, kv, from),
                    stream());
        }
        for (boolean query : new boolean[] {true, false}) {
            Norm norm = query ? small.queryNorm() : small.keyNorm();
            if (norm != null) {
                Norm wide = query ? large.queryNorm() : large.keyNorm();
                norm(norm, wide, small.normsOverHeads() ? FIXED : query ? q : kv);
            }
        }
        slot(small.output(), large.output(), stream(), q.asRead());
    }

    private static Axis fused(Axis q, Axis kv, SelfAttention.Shape from) {
        long keys = (long) from.keyValueHeads() * from.headWidth();
        return Axis.join(List.of(q, kv, kv), new long[] {(long) from.heads() * from.headWidth(), keys, keys});
    }

    /** For each key-value head its query heads, its key and its value. */
    private static Axis grouped(Axis queries, Axis keys, int group, int newGroup, long width) {
        LongStream units = LongStream.empty();
        for (int j = 0; j < keys.of.length; j++) {
            long start = keys.of[j] * (group + 2);
            int first = j * newGroup;
            long old = keys.of[j] * group;
            units = LongStream.concat(
                    units,
                    LongStream.concat(
                            LongStream.range(first, first + newGroup).map(i -> start + queries.of[(int) i] - old),
                            LongStream.of(start + group, start + group + 1)));
        }
        return new Axis(units.toArray(), false).ofUnits(width);
    }

    private void feedForward(FeedForward.Parts small, FeedForward.Parts large) {
        long from = small.down().form().inFeatures();
        long to = large.down().form().inFeatures();
        requireNoLess("the width of the feed-forward part", from, to);
        Axis inner = new Axis(LongStream.range(0, to).map(j -> j % from).toArray(), false);
        Axis written = small.fused() ? Axis.join(List.of(inner, inner), new long[] {from, from}) : inner;
        IntStream.range(0, small.inputs().size())
                .forEach(i -> slot(small.inputs().get(i), large.inputs().get(i), written, stream()));
        slot(small.down(), large.down(), stream(), inner.asRead());
    }

    private void head(LanguageModelHead small, LanguageModelHead large, boolean tied, Segment earlier) {
        if (!tied) {
            slot(small.output(), large.output(), FIXED, stream());
            return;
        }
        if (!(earlier instanceof FinalNorm)) {
            throw QuernException.badInput(
                    "the head is tied to the embedding and no norm stands before it, so it can't grow in width; untie it, or use grow: stack");
        }
        // Its matrix is the embedding's, which has been widened.
        Parameter bias = dense(small.output()).bias();
        if (bias != null) {
            put(bias, dense(large.output()).bias(), FIXED);
        }
    }

    private static DenseLinear dense(Linear slot) {
        if (slot.form() instanceof DenseLinear dense) {
            return dense;
        }
        throw QuernException.badInput("slot '%s' is not dense, so it can't grow in width", slot.name());
    }

    private void slot(Linear small, Linear large, Axis out, Axis in) {
        DenseLinear from = dense(small);
        DenseLinear to = dense(large);
        put(from.weight(), to.weight(), out, in.asRead());
        if (from.bias() != null) {
            put(from.bias(), to.bias(), out);
        }
    }

    private void norm(Norm small, Norm large, Axis axis) {
        switch (small) {
            case Norm.OffsetRmsNorm n -> {
                Norm.OffsetRmsNorm l = (Norm.OffsetRmsNorm) large;
                boolean read = axis != FIXED && axis.read;
                put(n.weight(), l.weight(), read ? 1 : 0, axis);
            }
            case Norm.RmsNorm n -> put(n.weight(), ((Norm.RmsNorm) large).weight(), axis);
            case Norm.LayerNorm n -> {
                Norm.LayerNorm l = (Norm.LayerNorm) large;
                if (n.weight() == null) {
                    if (axis != FIXED && axis.read) {
                        throw QuernException.badInput(
                                "the norm before a tied head has no weights, so the model can't grow in width; use grow: stack");
                    }
                    return;
                }
                boolean byHead = n.weight().value().dim() == 2;
                if (byHead) {
                    throw QuernException.badInput(
                            "'%s' has a row a head, which can't grow in width; use grow: stack",
                            n.weight().name());
                }
                put(n.weight(), l.weight(), axis);
                if (n.bias() != null) {
                    put(n.bias(), l.bias(), axis);
                }
            }
        }
    }

    private void put(Parameter small, Parameter large, Axis... axes) {
        put(small, large, 0, axes);
    }

    /** @param offset what is added to the weight before shares are taken, and taken off again behind them */
    private void put(Parameter small, Parameter large, double offset, Axis... axes) {
        long[] shape = small.value().shape();
        for (int d = 0; d < axes.length; d++) {
            shape[d] = axes[d] == FIXED ? shape[d] : axes[d].of.length;
        }
        values.put(small, large, shape, x -> {
            Tensor y = x;
            for (int d = 0; d < axes.length; d++) {
                if (axes[d] == FIXED) {
                    continue;
                }
                y = y.indexSelect(d, Tensor.of(axes[d].of, axes[d].of.length).to(y.device()));
                if (axes[d].read) {
                    long[] along = new long[axes.length];
                    Arrays.fill(along, 1);
                    along[d] = axes[d].of.length;
                    Tensor shares =
                            Tensor.of(shares(axes[d], small.name()), along).to(y.device());
                    y = y.add(offset).mul(shares).sub(offset);
                }
            }
            return y;
        });
    }

    /** A share for each new index; those of the copies of one sum to 1. */
    private float[] shares(Axis axis, String parameter) {
        int count = axis.of.length;
        float[] drawn = Tensor.zeros(DType.FP32, count)
                .uniform_(LEAST_SHARE, MOST_SHARE, new RandomStream(random.seed("shares/" + parameter)))
                .toFloats();
        Map<Long, Double> sums = new HashMap<>();
        for (int i = 0; i < count; i++) {
            sums.merge(axis.of[i], (double) drawn[i], Double::sum);
        }
        for (int i = 0; i < count; i++) {
            drawn[i] = (float) (drawn[i] / sums.get(axis.of[i]));
        }
        return drawn;
    }

    private static Axis tiled(String what, long from, long to) {
        requireMultiple(what, from, to);
        return new Axis(LongStream.range(0, to).map(i -> i % from).toArray(), false);
    }

    private static void requireNoLess(String what, long from, long to) {
        if (to < from) {
            throw QuernException.badInput(
                    "growing takes nothing away: %s is %d in the smaller model and %d in the grown one; raise it",
                    what, from, to);
        }
    }

    private static void requireMultiple(String what, long from, long to) {
        requireNoLess(what, from, to);
        if (to % from != 0) {
            throw QuernException.badInput(
                    "%s can only grow to a multiple, since norms and heads are copied whole: it is %d in the smaller model and %d in the grown one",
                    what, from, to);
        }
    }
}
