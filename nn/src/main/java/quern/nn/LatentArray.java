package quern.nn;

import java.util.ArrayList;
import java.util.List;
import quern.recipe.QuernException;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Puts learnt vectors in the stream's place, and what was there where {@link CrossAttention} reads it (Jaegle et al. 2021,
 * arXiv:2107.14795): latents that read a text, or queries that read latents. What is read passes a norm first.
 */
public final class LatentArray extends Segment {
    private final Parameter vectors_LD;
    private final Norm norm;
    private final boolean byPosition;
    private final boolean readsText;

    private LatentArray(String name, Parameter vectors_LD, Norm norm, boolean byPosition, boolean readsText) {
        super(name);
        this.vectors_LD = vectors_LD;
        this.norm = norm;
        this.byPosition = byPosition;
        this.readsText = readsText;
    }

    /**
     * Latents that read the embedded text, whose mask {@link EncoderPositions} has written. Behind it {@code mask} lets every
     * latent see every other.
     */
    public static LatentArray latents(String name, Parameter vectors_LD, Norm norm) {
        return new LatentArray(name, vectors_LD, norm, false, true);
    }

    /**
     * Queries that read latents.
     *
     * @param byPosition whether each position of the text has the row of its number; else all rows are queries
     */
    public static LatentArray queries(String name, Parameter vectors_LD, Norm norm, boolean byPosition) {
        return new LatentArray(name, vectors_LD, norm, byPosition, false);
    }

    @Override
    public List<String> reads() {
        return byPosition ? List.of("hidden_states", "position_ids") : List.of("hidden_states");
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of(DocumentBorders.NAME);
    }

    @Override
    public List<String> writes() {
        List<String> names = new ArrayList<>(List.of("hidden_states", EncoderPositions.OUTPUT));
        names.add(readsText ? Positions.MASK : EncoderPositions.MASK);
        return names;
    }

    @Override
    public List<Parameter> parameters() {
        List<Parameter> all = new ArrayList<>(List.of(vectors_LD));
        all.addAll(norm.parameters());
        return all;
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        if (flow.has(DocumentBorders.NAME)) {
            throw QuernException.badInput(
                    "segment '%s' reads a row as one text, but several documents lie in it; set data.packing: false",
                    name());
        }
        if (pass.cache() != null) {
            throw QuernException.badInput(
                    "segment '%s' reads a text as a whole, so nothing can be kept of its beginning; set use_cache: false",
                    name());
        }
        Tensor read_BTD = flow.get("hidden_states");
        Tensor rows = pass.value(vectors_LD);
        if (byPosition) {
            rows = rows.indexSelect(0, flow.get("position_ids").reshape(-1));
        }
        long batch = read_BTD.size(0);
        flow.put(EncoderPositions.OUTPUT, norm.forward(read_BTD, pass));
        Tensor x_BLD = rows.unsqueeze(0).expand(batch, rows.size(0), rows.size(1));
        flow.put("hidden_states", x_BLD.contiguous());
        flow.put(
                readsText ? Positions.MASK : EncoderPositions.MASK,
                Tensor.zeros(read_BTD.dtype(), read_BTD.device(), 1, readsText ? rows.size(0) : read_BTD.size(1)));
    }
}
