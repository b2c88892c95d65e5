package quern.nn;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Works out, once a pass, what every block needs to know about positions: {@code position_ids}, additive masks, and
 * rotary tables {@code NAME_cos} and {@code NAME_sin} for each kind of layer. With an {@code attention_mask} (int64 [B,
 * S], over cached tokens too) padded keys are hidden. Positions count from each row's first real token unless {@link
 * PositionIds} says otherwise. Of documents one behind another ({@code cu_seqlens}, see {@link DocumentBorders}) each has its
 * own positions; the masks are then for one document as long as the longest.
 */
public final class Positions extends Segment {
    /** Inverse frequencies for the present total length, and a factor on cos and sin. */
    public interface RotaryFrequencies {
        /** fp32 [R/2] on the CPU, where R dimensions of a head turn. */
        Tensor inverseFrequencies(long length);

        /** The factor, 1 for most rope types. */
        default double attentionScaling() {
            return 1;
        }

        /**
         * Whether keys that were turned when the text had {@code before} positions serve one of {@code now}; where they
         * don't, a generation has to turn them anew.
         */
        default boolean keepsKeys(long before, long now) {
            return true;
        }
    }

    /** What the attention of most models reads: a mask and rotary tables. */
    static final String MASK = "mask";

    static final String ROTARY = "rotary";

    /** How many of a row's first real tokens see each other whole, int64 [B]; see {@link Mask#prefix}. */
    public static final String PREFIX_LENGTHS = "prefix_lengths";

    /**
     * Where the batch says it, how far each token is from the first of its text, int64 [B, T]: a row may hold several texts that
     * each begin at 0. It takes the place of the column in the row.
     */
    public static final String TEXT_POSITIONS = "text_positions";

    private static final PositionIds USUAL_IDS = PositionIds.firstRealToken();
    private static final Source USUAL_SOURCE = new Source("input_ids", "attention_mask", false);

    /** The names of the tokens and of their padding in the flow, and whether biases by distance are there too. */
    private record Source(String tokens, String padding, boolean biased) {}

    private final DType dtype;
    private final Map<String, Mask> masks;
    private final Map<String, RotaryFrequencies> rotaries;
    private final PositionIds ids;
    private final Source source;

    /**
     * A causal {@code mask}, and with {@code rotary} the tables {@code rotary_cos} and {@code rotary_sin}.
     *
     * @param dtype the dtype of the blocks, which the masks and rotary tables take
     * @param rotary null for models without rotary positions
     */
    public Positions(String name, DType dtype, RotaryFrequencies rotary) {
        this(
                name,
                dtype,
                Map.of(MASK, Mask.causal()),
                rotary == null ? Map.of() : Map.of(ROTARY, rotary),
                USUAL_IDS,
                USUAL_SOURCE);
    }

    private Positions(
            String name,
            DType dtype,
            Map<String, Mask> masks,
            Map<String, RotaryFrequencies> rotaries,
            PositionIds ids,
            Source source) {
        super(name);
        this.dtype = dtype;
        this.masks = masks;
        this.rotaries = rotaries;
        this.ids = ids;
        this.source = source;
    }

    /** The same with {@code mask} under this name, beside or in place of what is there. */
    public Positions withMask(String name, Mask mask) {
        Map<String, Mask> more = new LinkedHashMap<>(masks);
        more.put(name, mask);
        return new Positions(name(), dtype, more, rotaries, ids, source);
    }

    /** The same with tables {@code NAME_cos} and {@code NAME_sin}. */
    public Positions withRotary(String name, RotaryFrequencies rotary) {
        Map<String, RotaryFrequencies> more = new LinkedHashMap<>(rotaries);
        more.put(name, rotary);
        return new Positions(name(), dtype, masks, more, ids, source);
    }

    /** The same with positions counted in another way. */
    public Positions withPositionIds(PositionIds other) {
        return new Positions(name(), dtype, masks, rotaries, other, source);
    }

    /** The same for the tokens called {@code tokens}, of which none is hidden: what a decoder beside an encoder writes. */
    public Positions withUnpaddedTokens(String tokens) {
        return new Positions(name(), dtype, masks, rotaries, ids, new Source(tokens, null, source.biased));
    }

    /** The same with {@code position_bias} [1, H, T, S], which a {@link RelativePositionBias} wrote, added to every mask. */
    public Positions withBias() {
        return new Positions(name(), dtype, masks, rotaries, ids, new Source(source.tokens, source.padding, true));
    }

    /**
     * Whether positions count from each row's first token and {@code mask} is the causal one, with no rotary tables but the
     * usual.
     */
    boolean isUsual() {
        return ids == USUAL_IDS
                && source.equals(USUAL_SOURCE)
                && Mask.causal().equals(masks.get(MASK))
                && Set.of(ROTARY).containsAll(rotaries.keySet());
    }

    @Override
    public boolean sharesPrefixes(Pass pass, long longest) {
        boolean backwards = masks.values().stream().noneMatch(mask -> mask.ahead() || mask.prefix());
        return ids == USUAL_IDS
                && source.equals(USUAL_SOURCE)
                && backwards
                && rotaries.values().stream().allMatch(r -> r.keepsKeys(1, longest));
    }

    /** Whether it numbers the tokens that a model reads first. */
    private boolean readsTextPositions() {
        return source.tokens.equals("input_ids");
    }

    /** Whether {@link #PREFIX_LENGTHS} makes a difference. */
    public boolean readsPrefixes() {
        return masks.values().stream().anyMatch(Mask::prefix);
    }

    /** The usual rotary tables' frequencies, or {@code null}. */
    RotaryFrequencies usualRotary() {
        return rotaries.get(ROTARY);
    }

    /** Whether a cache of {@code before} positions serves a text of {@code now}. */
    public boolean keepsCache(long before, long now) {
        return rotaries.values().stream().allMatch(r -> r.keepsKeys(before, now));
    }

    @Override
    public List<String> reads() {
        return source.biased ? List.of(source.tokens, RelativePositionBias.OUTPUT) : List.of(source.tokens);
    }

    @Override
    public List<String> readsIfPresent() {
        List<String> names = new ArrayList<>(List.of(DocumentBorders.NAME));
        if (readsTextPositions()) {
            names.add(TEXT_POSITIONS);
        }
        if (source.padding != null) {
            names.add(source.padding);
        }
        if (readsPrefixes()) {
            names.add(PREFIX_LENGTHS);
        }
        return names;
    }

    @Override
    public List<String> writes() {
        List<String> names = new ArrayList<>(List.of("position_ids"));
        names.addAll(masks.keySet());
        rotaries.keySet().forEach(name -> names.addAll(List.of(name + "_cos", name + "_sin")));
        return names;
    }

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor ids_BT = flow.get(source.tokens);
        Device device = ids_BT.device();
        long t = ids_BT.size(1);
        long past = pass.cache() == null ? 0 : pass.cache().length();
        Tensor padding_BS = source.padding == null ? null : flow.find(source.padding);
        Tensor prefixes_B = flow.find(PREFIX_LENGTHS);
        DocumentBorders documents = DocumentBorders.withPrefixes(flow, ids_BT);
        if (documents != null) {
            if (padding_BS != null || past > 0 || prefixes_B != null) {
                throw new IllegalArgumentException(
                        "documents one behind another have no padding, no prefixes and no cache");
            }
            ofDocuments(documents, ids_BT, flow, pass);
            return;
        }
        Tensor columns = ids.of(ids_BT, padding_BS, past);
        Tensor inText_BT = flow.find(TEXT_POSITIONS);
        // From the number that the family gives to the first token.
        Tensor positions = inText_BT == null ? columns : inText_BT.add(columns.narrow(-1, 0, 1));
        flow.put("position_ids", positions);
        masks.forEach((name, mask) ->
                putMask(name, new CallMask(mask, t, past, padding_BS, mask.prefix() ? prefixes_B : null), flow, pass));
        rotaries.forEach((name, rotary) -> {
            Tensor frequencies = rotary.inverseFrequencies(past + t).to(device);
            Rotary.CosSin angles = Rotary.angles(positions, frequencies, rotary.attentionScaling());
            flow.put(name + "_cos", overHeads(angles.cos()));
            flow.put(name + "_sin", overHeads(angles.sin()));
        });
    }

    /**
     * The additive mask that the flow has under {@code name}. Where attention goes in blocks, which ask the pass what a mask
     * is, the flow has a tensor of no elements; then the mask is made here.
     *
     * @param like has the mask's dtype and device
     */
    public static Tensor mask(String name, Flow flow, Pass pass, Tensor like) {
        Tensor written = flow.get(name);
        return written.numel() > 0 || pass.mask(name) == null
                ? written
                : pass.mask(name).tensor(like.dtype(), like.device());
    }

    private void putMask(String name, CallMask mask, Flow flow, Pass pass) {
        if (source.biased) {
            flow.put(name, biased(mask.tensor(dtype, flow.get(source.tokens).device()), flow));
        } else {
            mask.write(name, dtype, flow.get(source.tokens).device(), flow, pass);
        }
    }

    /** With the biases for the keys that the mask is for, the newest ones. */
    private Tensor biased(Tensor mask, Flow flow) {
        if (!source.biased) {
            return mask;
        }
        Tensor bias_1HTS = flow.get(RelativePositionBias.OUTPUT);
        long keys = mask.size(-1);
        return mask.add(bias_1HTS.narrow(-1, bias_1HTS.size(-1) - keys, keys));
    }

    private void ofDocuments(DocumentBorders documents, Tensor ids_1N, Flow flow, Pass pass) {
        Device device = ids_1N.device();
        int longest = documents.longest();
        Tensor positions =
                documents.join(-1, (i, t) -> ids.of(ids_1N.narrow(1, documents.start(i), t), null, documents.past(i)));
        flow.put("position_ids", positions);
        masks.forEach((name, mask) -> putMask(name, new CallMask(mask, longest, 0, null, null), flow, pass));
        rotaries.forEach((name, rotary) -> {
            // Where frequencies follow the length, each document has its own.
            boolean alike = rotary.keepsKeys(1, longest);
            Tensor frequencies = alike
                    ? rotary.inverseFrequencies(longest).to(device)
                    : documents.join(
                            0,
                            (i, t) -> rotary.inverseFrequencies(t)
                                    .to(device)
                                    .unsqueeze(0)
                                    .repeat(t, 1));
            Rotary.CosSin angles = Rotary.angles(positions, frequencies, rotary.attentionScaling());
            flow.put(name + "_cos", overHeads(angles.cos()));
            flow.put(name + "_sin", overHeads(angles.sin()));
        });
    }

    /** [T, R/2] broadcasts over batch and heads; [B, T, R/2] needs the head dimension. */
    private Tensor overHeads(Tensor table) {
        Tensor x = table.to(dtype);
        return x.dim() == 3 ? x.unsqueeze(1) : x;
    }
}
