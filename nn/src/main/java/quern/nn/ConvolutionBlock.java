package quern.nn;

import java.util.List;
import java.util.stream.Stream;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * The residual block of VQ-VAE (van den Oord et al. 2017, arXiv:1711.00937, section 4.1): {@code x + outer(relu(inner(relu(x))))}.
 *
 * @param inner a 3x3 convolution that keeps the size
 * @param outer a 1x1 convolution
 */
public record ConvolutionBlock(Convolution inner, Convolution outer) {
    Stream<Parameter> parameters() {
        return Stream.concat(inner.parameters().stream(), outer.parameters().stream());
    }

    private Tensor forward(Tensor x_BDHW, Pass pass) {
        return x_BDHW.add(outer.forward(inner.forward(x_BDHW.relu(), pass).relu(), pass));
    }

    /** A first convolution, blocks, a ReLU and a last convolution. */
    static Tensor stack(Tensor x, Convolution first, List<ConvolutionBlock> blocks, Convolution last, Pass pass) {
        Tensor h = first.forward(x, pass);
        for (ConvolutionBlock block : blocks) {
            h = block.forward(h, pass);
        }
        return last.forward(h.relu(), pass);
    }

    /** The parameters of a {@link #stack}. */
    static List<Parameter> parameters(Convolution first, List<ConvolutionBlock> blocks, Convolution last) {
        return Stream.of(
                        first.parameters().stream(),
                        blocks.stream().flatMap(ConvolutionBlock::parameters),
                        last.parameters().stream())
                .flatMap(all -> all)
                .toList();
    }
}
