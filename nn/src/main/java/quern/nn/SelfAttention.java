package quern.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Self-attention with its linear slots. Reads from the flow an additive mask, and when rotary the tables of cos and sin;
 * {@link Positions} writes both. As built it sees {@code mask}; the {@code with…} methods give variants. Probe points of
 * the owner: {@code attention_pattern}, {@code head_outputs} [B, T, H·D].
 */
public final class SelfAttention implements Branch {
    /** The sizes and rates of one layer's attention. */
    public record Shape(
            int heads, int keyValueHeads, int headWidth, double scale, double attentionDropout, boolean rotary) {}

    /** What else varies between families. */
    private static final class Options {
        String mask = Positions.MASK;
        long window;
        String rotary = Positions.ROTARY;
        Rotary.Pairing pairing = Rotary.Pairing.HALVES;
        Norm queryNorm;
        Norm keyNorm;
        boolean normsOverHeads;
        double clip;
        double softCap;
        boolean groupedInput;
        Parameter sinks;
        RelativeVectors relative;

        Options() {}

        Options(Options o) {
            mask = o.mask;
            window = o.window;
            rotary = o.rotary;
            pairing = o.pairing;
            queryNorm = o.queryNorm;
            keyNorm = o.keyNorm;
            normsOverHeads = o.normsOverHeads;
            clip = o.clip;
            softCap = o.softCap;
            groupedInput = o.groupedInput;
            sinks = o.sinks;
            relative = o.relative;
        }
    }

    private final String owner;
    private final int layer;
    private final Shape shape;
    /** Either one slot that gives queries, keys and values side by side, or three. */
    private final List<Linear> inputs;

    private final Linear output;
    private final Options options;

    /**
     * @param owner the segment's name
     * @param layer the layer's place in the key-value cache
     * @param inputs one slot with q, k, v side by side, or the three slots q, k, v
     */
    public SelfAttention(String owner, int layer, Shape shape, List<Linear> inputs, Linear output) {
        this(owner, layer, shape, inputs, output, new Options());
    }

    private SelfAttention(String owner, int layer, Shape shape, List<Linear> inputs, Linear output, Options options) {
        if (inputs.size() != 1 && inputs.size() != 3) {
            throw new IllegalArgumentException("attention takes one fused slot or three");
        }
        this.owner = owner;
        this.layer = layer;
        this.shape = shape;
        this.inputs = List.copyOf(inputs);
        this.output = output;
        this.options = options;
    }

    private SelfAttention with(Consumer<Options> change) {
        Options changed = new Options(options);
        change.accept(changed);
        return new SelfAttention(owner, layer, shape, inputs, output, changed);
    }

    /** Reads the mask called {@code name}, which sees every earlier key or every key. */
    public SelfAttention withMask(String name) {
        return with(o -> {
            o.mask = name;
            o.window = 0;
        });
    }

    /**
     * Reads the mask called {@code name}, which must be {@link Mask#slidingWindow} of this window: a cache then holds no
     * more past keys than the window reaches.
     */
    public SelfAttention withSlidingWindow(String name, int window) {
        return with(o -> {
            o.mask = name;
            o.window = window;
        });
    }

    /** Turns by the tables {@code NAME_cos} and {@code NAME_sin}, in pairs of this kind. */
    public SelfAttention withRotary(String name, Rotary.Pairing pairing) {
        return with(o -> {
            o.rotary = name;
            o.pairing = pairing;
        });
    }

    /** As above with the usual tables. */
    public SelfAttention withRotary(Rotary.Pairing pairing) {
        return withRotary(Positions.ROTARY, pairing);
    }

    /** Norms over the width of each head of queries and keys [B, T, H, D], before they turn. */
    public SelfAttention withHeadNorms(Norm query, Norm key) {
        return withNorms(query, key, true);
    }

    /** Norms over all heads together of queries and keys [B, T, H·D], before they turn. */
    public SelfAttention withProjectionNorms(Norm query, Norm key) {
        return withNorms(query, key, false);
    }

    private SelfAttention withNorms(Norm query, Norm key, boolean overHeads) {
        return with(o -> {
            o.queryNorm = query;
            o.keyNorm = key;
            o.normsOverHeads = overHeads;
        });
    }

    /** Limits queries, keys and values to [-limit, limit] as they come from their slots. */
    public SelfAttention withClip(double limit) {
        return with(o -> o.clip = limit);
    }

    /** Scores become {@code cap · tanh(score / cap)}. */
    public SelfAttention withSoftCap(double cap) {
        return with(o -> o.softCap = cap);
    }

    /** A learnt logit a head [H] takes part in softmax and points at no key; see {@link Attention.Scores}. */
    public SelfAttention withSinks(Parameter sinks_H) {
        return with(o -> o.sinks = sinks_H);
    }

    /** Vectors by distance are added to keys and values. */
    public SelfAttention withRelative(RelativeVectors vectors) {
        return with(o -> o.relative = vectors);
    }

    private Attention.Scores scores() {
        return new Attention.Scores(shape.scale, options.softCap, options.sinks, options.relative);
    }

    /**
     * The fused slot gives, for each key-value head, its query heads, its key and its value, [KV, H/KV + 2, D] (GPT-NeoX,
     * BLOOM, Falcon), not all queries before all keys.
     */
    public SelfAttention withGroupedInput() {
        return with(o -> o.groupedInput = true);
    }

    /** What hand-written blocks need to know: the sizes and the mask's name. */
    record Plain(Shape shape, String mask) {}

    /** Set where nothing is done to queries, keys and scores but the usual rotation and scaling; else {@code null}. */
    Plain plain(Pass pass) {
        boolean dropped = pass.dropout(Regularization.Place.ATTENTION, shape.attentionDropout) > 0;
        boolean usual = options.window == 0
                && options.rotary.equals(Positions.ROTARY)
                && options.pairing == Rotary.Pairing.HALVES
                && options.queryNorm == null
                && options.keyNorm == null
                && options.clip == 0
                && scores().usual()
                && !options.groupedInput;
        return usual && !dropped ? new Plain(shape, options.mask) : null;
    }

    /** What widening needs to know: the sizes and what belongs to them. */
    record Parts(
            Shape shape,
            List<Linear> inputs,
            Linear output,
            Norm queryNorm,
            Norm keyNorm,
            boolean normsOverHeads,
            boolean groupedInput) {}

    Parts parts() {
        return new Parts(
                shape,
                inputs,
                output,
                options.queryNorm,
                options.keyNorm,
                options.normsOverHeads,
                options.groupedInput);
    }

    @Override
    public List<Parameter> closing() {
        return output.parameters();
    }

    /** The layer's place in the cache. */
    int layer() {
        return layer;
    }

    @Override
    public boolean attends() {
        return true;
    }

    @Override
    public String label() {
        return "attention";
    }

    @Override
    public List<String> reads() {
        return shape.rotary
                ? List.of(options.mask, options.rotary + "_cos", options.rotary + "_sin")
                : List.of(options.mask);
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of(DocumentBorders.NAME);
    }

    @Override
    public Tensor forward(Tensor x_BTD, Flow flow, Pass pass) {
        List<Tensor> qkv = projected(x_BTD, pass);
        Tensor q_BHTD = heads(qkv.get(0), shape.heads, options.queryNorm, pass);
        Tensor k_BKTD = heads(qkv.get(1), shape.keyValueHeads, options.keyNorm, pass);
        Tensor v_BKTD = heads(qkv.get(2), shape.keyValueHeads, null, pass);
        if (shape.rotary) {
            Tensor cos = flow.get(options.rotary + "_cos");
            Tensor sin = flow.get(options.rotary + "_sin");
            q_BHTD = Rotary.rotate(q_BHTD, cos, sin, options.pairing);
            k_BKTD = Rotary.rotate(k_BKTD, cos, sin, options.pairing);
        }
        if (pass.cache() != null) {
            KeyValueCache.KeysValues all = options.window == 0
                    ? pass.cache().append(layer, k_BKTD, v_BKTD)
                    : pass.cache().append(layer, k_BKTD, v_BKTD, options.window);
            k_BKTD = all.keys();
            v_BKTD = all.values();
        }
        Tensor y_BTD = MaskedAttention.attend(
                q_BHTD,
                k_BKTD,
                v_BKTD,
                new MaskedAttention.Site(owner, options.mask, scores(), shape.attentionDropout),
                flow,
                pass);
        return output.forward(pass.at(owner, "head_outputs", y_BTD), pass);
    }

    @Override
    public boolean sharesPrefixes(Pass pass) {
        return options.relative == null && pass.dropout(Regularization.Place.ATTENTION, shape.attentionDropout) == 0;
    }

    @Override
    public boolean takesBlocks() {
        return options.relative == null;
    }

    /** Queries [B, T, H·D], keys and values [B, T, KV·D] as the slots give them. */
    private List<Tensor> projected(Tensor x_BTD, Pass pass) {
        List<Tensor> qkv;
        if (inputs.size() == 3) {
            qkv = inputs.stream().map(slot -> slot.forward(x_BTD, pass)).toList();
        } else if (options.groupedInput) {
            qkv = grouped(inputs.get(0).forward(x_BTD, pass));
        } else {
            long queries = (long) shape.heads * shape.headWidth;
            long keys = (long) shape.keyValueHeads * shape.headWidth;
            qkv = inputs.get(0).forward(x_BTD, pass).split(new long[] {queries, keys, keys}, -1);
        }
        if (options.clip > 0) {
            qkv = qkv.stream()
                    .map(x -> x.clampMin(-options.clip).clampMax(options.clip))
                    .toList();
        }
        return qkv;
    }

    private List<Tensor> grouped(Tensor fused) {
        long batch = fused.size(0);
        long t = fused.size(1);
        long kv = shape.keyValueHeads;
        long group = shape.heads / kv;
        List<Tensor> parts =
                fused.view(batch, t, kv, group + 2, shape.headWidth).split(new long[] {group, 1, 1}, 3);
        return parts.stream().map(p -> p.reshape(batch, t, -1)).toList();
    }

    /** x [B, T, heads·D], normed where there is a norm, as [B, heads, T, D]. */
    private Tensor heads(Tensor x, int heads, Norm norm, Pass pass) {
        Tensor y = norm == null || options.normsOverHeads ? x : norm.forward(x, pass);
        y = y.view(x.size(0), x.size(1), heads, shape.headWidth);
        if (norm != null && options.normsOverHeads) {
            y = norm.forward(y, pass);
        }
        return y.transpose(1, 2);
    }

    @Override
    public Set<Regularization.Kind> regularizers() {
        return Set.of(Regularization.Kind.ATTENTION_DROPOUT);
    }

    @Override
    public List<Linear> linears() {
        List<Linear> all = new ArrayList<>(inputs);
        all.add(output);
        return all;
    }

    @Override
    public List<Parameter> parameters() {
        Stream<Parameter> norms = Stream.of(options.queryNorm, options.keyNorm)
                .filter(n -> n != null)
                .flatMap(n -> n.parameters().stream());
        List<Parameter> all = new ArrayList<>(
                linears().stream().flatMap(l -> l.parameters().stream()).toList());
        norms.forEach(all::add);
        if (options.sinks != null) {
            all.add(options.sinks);
        }
        if (options.relative != null) {
            all.addAll(options.relative.parameters());
        }
        return all;
    }

    /** Dropout of a block's part before it joins the residual stream. */
    static Tensor drop(Tensor x, double p, String part, String owner, Pass pass) {
        return pass.isTraining() && p > 0 ? Functional.dropout(x, p, pass.random(part + "/" + owner)) : x;
    }
}
