package quern.nn;

import java.util.List;
import quern.recipe.QuernException;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Images as grids of vectors: {@code pixel_values} [B, C, S, S] become {@code latents} [B, N, E], a vector a patch, row by row,
 * by a convolution from patch to patch, residual blocks that see neighbouring patches, and a 1x1 convolution.
 */
public final class ImageEncoder extends Segment {
    private final int side;
    private final Convolution patches;
    private final List<ConvolutionBlock> blocks;
    private final Convolution output;

    /**
     * @param side S
     * @param patches its stride is its kernel's side
     */
    public ImageEncoder(String name, int side, Convolution patches, List<ConvolutionBlock> blocks, Convolution output) {
        super(name);
        this.side = side;
        this.patches = patches;
        this.blocks = List.copyOf(blocks);
        this.output = output;
    }

    @Override
    public List<String> reads() {
        return List.of("pixel_values");
    }

    @Override
    public List<String> writes() {
        return List.of("latents");
    }

    @Override
    public List<Parameter> parameters() {
        return ConvolutionBlock.parameters(patches, blocks, output);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor pixels_BCSS = flow.get("pixel_values");
        Tensor weight = pass.value(patches.weight());
        if (pixels_BCSS.size(2) != side || pixels_BCSS.size(3) != side || pixels_BCSS.size(1) != weight.size(1)) {
            throw QuernException.badInput(
                    "images of %d x %d pixels in %d colours, but the model was made for %d x %d in %d; set image_size and num_channels so",
                    pixels_BCSS.size(2), pixels_BCSS.size(3), pixels_BCSS.size(1), side, side, weight.size(1));
        }
        Tensor x = pixels_BCSS.to(weight.dtype());
        Tensor z_BEHW = ConvolutionBlock.stack(x, patches, blocks, output, pass);
        flow.put(
                "latents",
                z_BEHW.reshape(z_BEHW.size(0), z_BEHW.size(1), -1)
                        .transpose(1, 2)
                        .contiguous());
    }
}
