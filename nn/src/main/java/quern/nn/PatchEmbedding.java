package quern.nn;

import java.util.List;
import java.util.Set;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Images as sequences of vectors (Dosovitskiy et al. 2021, arXiv:2010.11929): {@code pixel_values} [B, C, H, W] are cut
 * into patches of P·P pixels, row by row, each mapped to the stream's width; a learned vector for the whole image goes
 * before them, and learned positions are added. What is left at the right and lower edge when P divides no side is not
 * seen. Writes {@code hidden_states} [B, 1+N, D] and {@code image_mask}, which hides nothing.
 */
public final class PatchEmbedding extends Segment {
    /** The mask of attention over the patches. */
    public static final String MASK = "image_mask";

    private final Parameter whole_D;
    private final Parameter patches_DCPP;
    private final Parameter positions_ND;

    /**
     * @param whole_D the vector for the whole image
     * @param patches_DCPP the map of a patch
     * @param positions_ND a row for the whole image and one a patch
     */
    public PatchEmbedding(String name, Parameter whole_D, Parameter patches_DCPP, Parameter positions_ND) {
        super(name);
        this.whole_D = whole_D;
        this.patches_DCPP = patches_DCPP;
        this.positions_ND = positions_ND;
    }

    @Override
    public List<String> reads() {
        return List.of("pixel_values");
    }

    @Override
    public List<String> writes() {
        return List.of("hidden_states", MASK);
    }

    @Override
    public List<Parameter> parameters() {
        return List.of(whole_D, patches_DCPP, positions_ND);
    }

    @Override
    public Set<Regularization.Kind> regularizers() {
        return Set.of(Regularization.Kind.EMBEDDING_DROPOUT);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor weight = pass.value(patches_DCPP);
        DType dtype = weight.dtype();
        Tensor pixels = flow.get("pixel_values").to(dtype);
        Device device = pixels.device();
        long batch = pixels.size(0);
        long channels = pixels.size(1);
        long width = weight.size(0);
        long p = weight.size(2);
        long rows = pixels.size(2) / p;
        long columns = pixels.size(3) / p;
        if (1 + rows * columns != positions_ND.value().size(0)) {
            throw QuernException.badInput(
                    "images of %d x %d pixels are %d patches, but the model was made for %d; resize them",
                    pixels.size(2),
                    pixels.size(3),
                    rows * columns,
                    positions_ND.value().size(0) - 1);
        }
        Tensor patches = pixels.narrow(2, 0, rows * p)
                .narrow(3, 0, columns * p)
                .reshape(batch, channels, rows, p, columns, p)
                .permute(0, 2, 4, 1, 3, 5)
                .reshape(batch, rows * columns, channels * p * p);
        Tensor x_BND = Functional.linear(patches, weight.reshape(width, channels * p * p), null);
        Tensor whole = pass.value(whole_D).expand(batch, 1, width);
        Tensor x = Tensor.cat(List.of(whole, x_BND), 1).add(pass.value(positions_ND));
        double rate = pass.dropout(Regularization.Place.EMBEDDING, 0);
        flow.put("hidden_states", SelfAttention.drop(x, rate, "embedding_dropout", name(), pass));
        flow.put(MASK, Tensor.zeros(dtype, device, 1, 1 + rows * columns));
    }
}
