package quern.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Self-attention over the present pass and over memories of passes before it (Transformer-XL, Dai et al. 2019,
 * arXiv:1901.02860), and where the layout has them over compressed memories before those (Rae et al. 2020, arXiv:1911.05507).
 * The score of a query at i and a key at distance d is {@code (q_i + u)·k + (q_i + v)·W_r R_d}, where R_d is a sinusoid and u, v
 * are learnt. A memory is what the layer was given, so under pre-norm the normed stream; no gradient goes into memories.
 *
 * <p>Reads what {@link Memories} writes, and {@code memory.LAYER} and {@code compressed_memory.LAYER}, each [B, ·, D], of the
 * pass before, from the flow or from the cache of a generation; writes their successors. Slots are compressed anew in each
 * pass from memories and from the pass itself, so that a compression with weights learns by the model's own loss; the
 * paper's separate reconstruction loss is left out. Probe points of the owner: {@code attention_pattern}, {@code head_outputs}.
 */
public final class RecurrentAttention implements Branch {
    private static final double LONGEST_PERIOD = 10_000;

    /** How neighbouring positions become a slot. */
    public interface Compression {
        /** x [B, n, rate, D] to [B, n, D]. */
        Tensor compress(Tensor x, Pass pass);

        /** Its slots. */
        default List<Linear> linears() {
            return List.of();
        }

        /** The mean. */
        static Compression mean() {
            return (x, pass) -> x.mean(false, 2);
        }

        /** The largest of each feature. */
        static Compression max() {
            return (x, pass) -> x.amax(false, 2);
        }

        /** A convolution whose kernel and stride are the rate: one slot from rate · D to D. */
        static Compression convolution(Linear kernel) {
            return new Compression() {
                @Override
                public Tensor compress(Tensor x, Pass pass) {
                    return kernel.forward(x.reshape(x.size(0), x.size(1), x.size(2) * x.size(3)), pass);
                }

                @Override
                public List<Linear> linears() {
                    return List.of(kernel);
                }
            };
        }
    }

    /** The sizes and rates of one layer's attention. */
    public record Shape(int heads, int headWidth, double scale, double attentionDropout) {}

    /**
     * The slots: queries, keys and values from D to H·head, {@code position} from the sinusoid's D to H·head, and
     * {@code output} back.
     */
    public record Slots(Linear query, Linear key, Linear value, Linear position, Linear output) {}

    private final String owner;
    private final int layer;
    private final Shape shape;
    private final Slots slots;
    private final Parameter contentBias_HD;
    private final Parameter positionBias_HD;
    private final MemoryLayout layout;
    private final Compression compression;

    /**
     * @param contentBias_HD u
     * @param positionBias_HD v
     * @param compression {@code null} where the layout has no slots
     */
    public RecurrentAttention(
            String owner,
            int layer,
            Shape shape,
            Slots slots,
            Parameter contentBias_HD,
            Parameter positionBias_HD,
            MemoryLayout layout,
            Compression compression) {
        if (layout.compresses() != (compression != null)) {
            throw new IllegalArgumentException("a layout with compressed memory and a compression need each other");
        }
        this.owner = owner;
        this.layer = layer;
        this.shape = shape;
        this.slots = slots;
        this.contentBias_HD = contentBias_HD;
        this.positionBias_HD = positionBias_HD;
        this.layout = layout;
        this.compression = compression;
    }

    /** Scores have parts by distance that are learnt, all at once. */
    @Override
    public boolean takesBlocks() {
        return false;
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
        return List.of(Memories.MASK, Memories.DISTANCES);
    }

    @Override
    public List<String> readsIfPresent() {
        return carries();
    }

    @Override
    public List<String> writes() {
        return carries();
    }

    @Override
    public List<String> carries() {
        return layout.compresses()
                ? List.of(Memories.fine(layer), Memories.compressed(layer))
                : List.of(Memories.fine(layer));
    }

    @Override
    public Tensor forward(Tensor x_BTD, Flow flow, Pass pass) {
        Tensor fine = Memories.before(Memories.fine(layer), flow, pass);
        Tensor compressed = Memories.before(Memories.compressed(layer), flow, pass);
        MemoryLayout.Present present = new MemoryLayout.Present(
                layout, fine == null ? 0 : (int) fine.size(1), compressed == null ? 0 : (int) compressed.size(1), (int)
                        x_BTD.size(1));
        Tensor all = fine == null ? x_BTD : Tensor.cat(List.of(fine, x_BTD), 1);
        Tensor made = present.made() == 0 ? null : compress(all, present.made(), pass);
        List<Tensor> keys = new ArrayList<>();
        if (compressed != null) {
            keys.add(compressed);
        }
        if (made != null) {
            keys.add(made);
        }
        keys.add(all);
        Tensor y_BTD = attend(x_BTD, keys.size() == 1 ? all : Tensor.cat(keys, 1), present, flow, pass);
        // Last, since a cache lets go of the memories before.
        remember(present, compressed, made, all, flow, pass);
        return y_BTD;
    }

    private Tensor compress(Tensor all_BLD, int made, Pass pass) {
        long rate = layout.rate();
        Tensor blocks = all_BLD.narrow(1, 0, made * rate);
        return compression.compress(blocks.reshape(all_BLD.size(0), made, rate, all_BLD.size(2)), pass);
    }

    private void remember(MemoryLayout.Present p, Tensor compressed, Tensor made, Tensor all, Flow flow, Pass pass) {
        int after = p.fineAfter();
        if (layout.compresses()) {
            List<Tensor> slots = new ArrayList<>();
            if (compressed != null) {
                slots.add(compressed);
            }
            if (p.evicted() > 0) {
                slots.add(made.narrow(1, 0, p.evicted()));
            }
            Tensor now = slots.isEmpty() ? all.narrow(1, 0, 0) : Tensor.cat(slots, 1);
            long kept = Math.min(layout.compressed(), now.size(1));
            put(Memories.compressed(layer), now.narrow(1, now.size(1) - kept, kept), flow, pass);
        }
        put(Memories.fine(layer), all.narrow(1, p.fine() + p.t() - after, after), flow, pass);
        if (pass.cache() != null) {
            pass.cache().advance(layer, p.t());
        }
    }

    private static void put(String name, Tensor memory, Flow flow, Pass pass) {
        // A copy: a view would keep all of what it was cut from.
        Tensor alone = memory.detach().copy();
        if (pass.cache() == null) {
            flow.put(name, alone);
        } else {
            pass.cache().state(name, alone);
        }
    }

    private Tensor attend(Tensor x_BTD, Tensor keys_BSD, MemoryLayout.Present present, Flow flow, Pass pass) {
        long batch = x_BTD.size(0);
        long t = x_BTD.size(1);
        long s = keys_BSD.size(1);
        int heads = shape.heads;
        int width = shape.headWidth;
        Tensor q_BTHD = slots.query.forward(x_BTD, pass).view(batch, t, heads, width);
        Tensor k_BHSD = heads(slots.key.forward(keys_BSD, pass));
        Tensor v_BHSD = heads(slots.value.forward(keys_BSD, pass));
        Tensor content_BHTD = q_BTHD.add(pass.value(contentBias_HD)).transpose(1, 2);
        Tensor byContent = content_BHTD
                .reshape(batch * heads, t, width)
                .bmm(k_BHSD.reshape(batch * heads, s, width).transpose(1, 2))
                .view(batch, heads, t, s);

        long distances = present.farthest() + 1L;
        Tensor waves_PD = sinusoids(distances, x_BTD.size(2), x_BTD.dtype(), x_BTD.device());
        Tensor r_HDP = slots.position
                .forward(waves_PD, pass)
                .view(distances, heads, width)
                .permute(1, 2, 0);
        Tensor place_HND =
                q_BTHD.add(pass.value(positionBias_HD)).permute(2, 0, 1, 3).reshape(heads, batch * t, width);
        Tensor byDistance =
                place_HND.bmm(r_HDP).view(heads, batch, t, distances).transpose(0, 1);
        Tensor index = flow.get(Memories.DISTANCES).unsqueeze(0).unsqueeze(0).expand(batch, heads, t, s);
        Tensor scores = byContent.add(byDistance.gather(-1, index)).mul(shape.scale);
        Tensor pattern = Functional.softmax(scores.add(flow.get(Memories.MASK)), -1);
        pattern = pass.at(owner, "attention_pattern", pattern);
        double rate = pass.dropout(Regularization.Place.ATTENTION, shape.attentionDropout);
        if (rate > 0) {
            pattern = Functional.dropout(pattern, rate, pass.random("attention_dropout/" + owner));
        }
        Tensor y_BTD = pattern.reshape(batch * heads, t, s)
                .bmm(v_BHSD.reshape(batch * heads, s, width))
                .view(batch, heads, t, width)
                .transpose(1, 2)
                .reshape(batch, t, (long) heads * width);
        return slots.output.forward(pass.at(owner, "head_outputs", y_BTD), pass);
    }

    private Tensor heads(Tensor x_BSD) {
        return x_BSD.view(x_BSD.size(0), x_BSD.size(1), shape.heads, shape.headWidth)
                .transpose(1, 2);
    }

    /** For distances 0 to {@code count - 1}: sines of all frequencies {@code 10000^(-2i/D)}, then cosines. */
    static Tensor sinusoids(long count, long width, DType dtype, Device device) {
        int half = (int) (width / 2);
        float[] frequencies = new float[half];
        for (int i = 0; i < half; i++) {
            frequencies[i] = (float) Math.pow(LONGEST_PERIOD, -2.0 * i / width);
        }
        Tensor angles = Tensor.arange(count, DType.FP32, device)
                .unsqueeze(-1)
                .mul(Tensor.of(frequencies, half).to(device));
        return Tensor.cat(List.of(angles.sin(), angles.cos()), -1).to(dtype);
    }

    @Override
    public Set<Regularization.Kind> regularizers() {
        return Set.of(Regularization.Kind.ATTENTION_DROPOUT);
    }

    @Override
    public List<Parameter> closing() {
        return slots.output.parameters();
    }

    @Override
    public List<Linear> linears() {
        Stream<Linear> own = Stream.of(slots.query, slots.key, slots.value, slots.position, slots.output);
        return compression == null
                ? own.toList()
                : Stream.concat(own, compression.linears().stream()).toList();
    }

    @Override
    public List<Parameter> parameters() {
        return Stream.concat(
                        linears().stream().flatMap(l -> l.parameters().stream()),
                        Stream.of(contentBias_HD, positionBias_HD))
                .toList();
    }
}
