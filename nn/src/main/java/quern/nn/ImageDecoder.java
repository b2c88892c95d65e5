package quern.nn;

import java.util.List;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Grids of vectors as images: {@code quantized} [B, N, E], N = g·g, become {@code reconstruction} [B, C, g·P, g·P], by a 3x3
 * convolution, residual blocks and a 1x1 convolution to the C·P·P values of each patch.
 */
public final class ImageDecoder extends Segment {
    private final int channels;
    private final int patch;
    private final Convolution input;
    private final List<ConvolutionBlock> blocks;
    private final Convolution patches;

    /**
     * @param channels C
     * @param patch P
     * @param patches its outputs are a patch's values, colour by colour, row by row
     */
    public ImageDecoder(
            String name,
            int channels,
            int patch,
            Convolution input,
            List<ConvolutionBlock> blocks,
            Convolution patches) {
        super(name);
        this.channels = channels;
        this.patch = patch;
        this.input = input;
        this.blocks = List.copyOf(blocks);
        this.patches = patches;
    }

    @Override
    public List<String> reads() {
        return List.of("quantized");
    }

    @Override
    public List<String> writes() {
        return List.of("reconstruction");
    }

    @Override
    public List<Parameter> parameters() {
        return ConvolutionBlock.parameters(input, blocks, patches);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor q_BNE = flow.get("quantized");
        long batch = q_BNE.size(0);
        long grid = Math.round(Math.sqrt(q_BNE.size(1)));
        Tensor q_BEHW = q_BNE.transpose(1, 2).reshape(batch, q_BNE.size(2), grid, grid);
        Tensor x = ConvolutionBlock.stack(q_BEHW, input, blocks, patches, pass);
        Tensor pixels_BCSS = x.reshape(batch, channels, patch, patch, grid, grid)
                .permute(0, 1, 4, 2, 5, 3)
                .reshape(batch, channels, grid * patch, grid * patch);
        flow.put("reconstruction", pass.at(name(), "output", pixels_BCSS));
    }
}
