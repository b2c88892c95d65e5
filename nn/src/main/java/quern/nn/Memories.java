package quern.nn;

import java.util.Arrays;
import java.util.List;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Works out, once a pass, what every {@link RecurrentAttention} needs to know about memories: {@code memory_mask}, additive, [1
 * or B, 1, T, S] over all S keys, and {@code memory_distances}, int64 [T, S]. Memories of the pass before come in the flow, or
 * from the cache of a generation.
 *
 * <p>{@code memory_lengths}, int64 [B], says how many tokens of its text each row had read before the pass; this segment
 * writes how many it has read after it. A row with a 1 in {@code memory_reset}, int64 [B], begins another text: it sees none of
 * its memories.
 */
public final class Memories extends Segment {
    static final String MASK = "memory_mask";
    static final String DISTANCES = "memory_distances";

    /** Tokens read by each row. */
    public static final String LENGTHS = "memory_lengths";

    /** Rows that begin another text. */
    public static final String RESET = "memory_reset";

    private final MemoryLayout layout;
    private final int firstLayer;
    private final DType dtype;

    /**
     * What layers of one layout see.
     *
     * @param firstLayer a layer whose memories say how much there is
     * @param dtype of the blocks
     */
    public Memories(String name, MemoryLayout layout, int firstLayer, DType dtype) {
        super(name);
        this.layout = layout;
        this.firstLayer = firstLayer;
        this.dtype = dtype;
    }

    /** Where a layer's uncompressed memories [B, F, D] stand in the flow. */
    static String fine(int layer) {
        return "memory." + layer;
    }

    /** Where its compressed ones [B, G, D] stand. */
    static String compressed(int layer) {
        return "compressed_memory." + layer;
    }

    /** A memory of the pass before, or {@code null}. */
    static Tensor before(String name, Flow flow, Pass pass) {
        return pass.cache() == null ? flow.find(name) : pass.cache().state(name);
    }

    @Override
    public List<String> reads() {
        return List.of("input_ids");
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of(
                LENGTHS, RESET, fine(firstLayer), compressed(firstLayer), "attention_mask", DocumentBorders.NAME);
    }

    @Override
    public List<String> writes() {
        return List.of(MASK, DISTANCES, LENGTHS);
    }

    @Override
    public List<String> carries() {
        return List.of(LENGTHS);
    }

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        if (flow.has(DocumentBorders.NAME)) {
            throw QuernException.badInput(
                    "rows without padding hold whole documents, which have no memories to carry; train a recurrent model on lanes of text (objective: causal_lm with texts and packing)");
        }
        Tensor ids_BT = flow.get("input_ids");
        Device device = ids_BT.device();
        int rows = (int) ids_BT.size(0);
        int t = (int) ids_BT.size(1);
        Tensor fine = before(fine(firstLayer), flow, pass);
        Tensor slots = before(compressed(firstLayer), flow, pass);
        MemoryLayout.Present present = new MemoryLayout.Present(
                layout, fine == null ? 0 : (int) fine.size(1), slots == null ? 0 : (int) slots.size(1), t);
        long[] textBefore = textBefore(flow, pass, rows, fine != null);
        boolean alike = Arrays.stream(textBefore).distinct().count() == 1;
        int s = present.keys();
        int masks = alike ? 1 : rows;
        float[] mask = new float[masks * t * s];
        long[] distances = new long[t * s];
        for (int row = 0; row < masks; row++) {
            for (int i = 0; i < t; i++) {
                for (int key = 0; key < s; key++) {
                    int distance = present.distance(i, key, textBefore[row]);
                    mask[(row * t + i) * s + key] = distance < 0 ? Float.NEGATIVE_INFINITY : 0;
                    if (distance >= 0) {
                        distances[i * s + key] = distance;
                    }
                }
            }
        }
        Tensor mask_B1TS = Tensor.of(mask, masks, 1, t, s).to(device).to(dtype);
        Tensor padding_BS = flow.find("attention_mask");
        if (padding_BS != null) {
            mask_B1TS = padded(mask_B1TS, padding_BS, present, pass, device);
        }
        flow.put(MASK, mask_B1TS);
        flow.put(DISTANCES, Tensor.of(distances, t, s).to(device));
        for (int row = 0; row < rows; row++) {
            textBefore[row] += t;
        }
        flow.put(LENGTHS, Tensor.of(textBefore, rows).to(device));
    }

    private static long[] textBefore(Flow flow, Pass pass, int rows, boolean remembers) {
        long[] before = new long[rows];
        if (pass.cache() != null) {
            Arrays.fill(before, pass.cache().length());
            return before;
        }
        Tensor lengths = flow.find(LENGTHS);
        if (lengths != null) {
            before = lengths.toLongs();
        } else if (remembers) {
            throw new IllegalArgumentException("memories came without " + LENGTHS);
        }
        if (before.length != rows) {
            throw new IllegalArgumentException("memories of %d rows for a batch of %d".formatted(before.length, rows));
        }
        Tensor reset = flow.find(RESET);
        if (reset != null) {
            long[] anew = reset.toLongs();
            for (int row = 0; row < rows; row++) {
                before[row] = anew[row] == 0 ? before[row] : 0;
            }
        }
        return before;
    }

    /** Hides padded keys; each query sees itself whatever it is, so that its row stays finite. */
    private Tensor padded(Tensor mask, Tensor padding_BS, MemoryLayout.Present p, Pass pass, Device device) {
        if (layout.compresses()) {
            throw QuernException.badInput(
                    "rows of several lengths can't be padded for a compressive memory, whose slots begin with the text; give prompts of one length, or one at a time");
        }
        long rows = padding_BS.size(0);
        Tensor keys_BS = pass.cache() == null
                ? Tensor.cat(
                        List.of(Tensor.full(1, DType.INT64, device, rows, p.fine()), padding_BS.to(DType.INT64)), 1)
                : padding_BS.narrow(1, padding_BS.size(1) - p.fine() - p.t(), (long) p.fine() + p.t());
        Tensor others_TS = Tensor.full(1, DType.INT64, device, p.t(), p.keys());
        Tensor self_TS = others_TS.triu(p.fine()).tril(p.fine());
        Tensor hidden = keys_BS.eq(0).unsqueeze(1).unsqueeze(1).logicalAnd(self_TS.eq(0));
        return Tensor.where(hidden, Tensor.full(Double.NEGATIVE_INFINITY, dtype, device, 1), mask);
    }
}
