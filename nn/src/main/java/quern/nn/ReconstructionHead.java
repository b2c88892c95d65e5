package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * The loss of images made again from codes (van den Oord et al. 2017, arXiv:1711.00937, equation 3). With {@code weights} (fp32 [B] or
 * [B, 1]) it writes {@code loss} [1], {@code Σ weight · (|x - x̂|² + codebook_loss + β · commitment_loss)}, with the mean of the squares
 * over an image's values. A training pass tells the first term as {@code reconstruction_loss}.
 */
public final class ReconstructionHead extends Segment {
    private final double commitment;

    /** {@code commitment} is β. */
    public ReconstructionHead(String name, double commitment) {
        super(name);
        this.commitment = commitment;
    }

    @Override
    public List<String> reads() {
        return List.of("pixel_values", "reconstruction", "codebook_loss", "commitment_loss");
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of("weights");
    }

    @Override
    public List<String> writes() {
        return List.of("loss");
    }

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor weights_B = flow.find("weights");
        if (weights_B == null) {
            return;
        }
        Tensor error_B = flow.get("reconstruction")
                .to(DType.FP32)
                .sub(flow.get("pixel_values"))
                .square()
                .mean(false, 1, 2, 3);
        Tensor loss_B = error_B.add(flow.get("codebook_loss"))
                .add(flow.get("commitment_loss").mul(commitment));
        flow.put("loss", loss_B.mul(weights_B.reshape(-1)).sum().view(1));
        if (pass.reports()) {
            pass.report("reconstruction_loss", error_B.detach().mean().item());
        }
    }
}
