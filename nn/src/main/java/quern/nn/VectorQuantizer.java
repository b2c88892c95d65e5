package quern.nn;

import java.util.List;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Vectors by the nearest of a codebook (van den Oord et al. 2017, arXiv:1711.00937, section 3): {@code latents} z [B, N, E] become
 * {@code codes} [B, N], the numbers k of the nearest vectors e_k, and {@code quantized}, those vectors, whose gradient is handed
 * to z as it is (straight through). It also writes what the two need to come near each other, in fp32 [B], means over N and E:
 * {@code codebook_loss} {@code |sg(z) - e|²} and {@code commitment_loss} {@code |z - sg(e)|²}, the second and third term of
 * equation 3.
 *
 * <p>With {@code normalize} both are scaled to length 1 first (Yu et al. 2022, arXiv:2110.04627, section 3.2), which lets more codes
 * find use.
 *
 * <p>A training pass tells {@code codebook_usage}, the share of codes that its batch has, and {@code codebook_perplexity}, e to the
 * entropy of their frequencies.
 */
public final class VectorQuantizer extends Segment {
    private static final double SMALLEST_SQUARE = 1e-12;

    private final Parameter codebook_KE;
    private final boolean normalize;

    /** With K vectors. */
    public VectorQuantizer(String name, Parameter codebook_KE, boolean normalize) {
        super(name);
        this.codebook_KE = codebook_KE;
        this.normalize = normalize;
    }

    @Override
    public List<String> reads() {
        return List.of("latents");
    }

    @Override
    public List<String> writes() {
        return List.of("codes", "quantized", "codebook_loss", "commitment_loss");
    }

    @Override
    public List<Parameter> parameters() {
        return List.of(codebook_KE);
    }

    /** The vectors [B, N, E] of codes [B, N], as {@code quantized} has them. */
    public Tensor lookup(Tensor codes_BN, Pass pass) {
        return Functional.embedding(codebook(pass), codes_BN)
                .to(pass.value(codebook_KE).dtype());
    }

    private Tensor codebook(Pass pass) {
        return scaled(pass.value(codebook_KE).to(DType.FP32));
    }

    private Tensor scaled(Tensor x) {
        return normalize
                ? x.div(x.square().sum(true, -1).clampMin(SMALLEST_SQUARE).sqrt())
                : x;
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor latents_BNE = flow.get("latents");
        Tensor z_BNE = scaled(latents_BNE.to(DType.FP32));
        Tensor codebook_KE = codebook(pass);
        Tensor codes_BN;
        try (Autograd.Mode mode = Autograd.noGrad()) {
            // The nearest e has the largest z·e - |e|²/2.
            Tensor half_K = codebook_KE.square().sum(false, 1).mul(0.5);
            codes_BN = z_BNE.matmul(codebook_KE.t()).sub(half_K).argmax(-1);
        }
        Tensor e_BNE = Functional.embedding(codebook_KE, codes_BN);
        flow.put("codes", codes_BN);
        flow.put("quantized", z_BNE.add(e_BNE.sub(z_BNE).detach()).to(latents_BNE.dtype()));
        flow.put("codebook_loss", z_BNE.detach().sub(e_BNE).square().mean(false, 1, 2));
        flow.put("commitment_loss", z_BNE.sub(e_BNE.detach()).square().mean(false, 1, 2));
        if (pass.reports()) {
            report(codes_BN.toLongs(), (int) codebook_KE.size(0), pass);
        }
    }

    private static void report(long[] codes, int all, Pass pass) {
        long[] counts = new long[all];
        for (long code : codes) {
            counts[(int) code]++;
        }
        int used = 0;
        double entropy = 0;
        for (long count : counts) {
            if (count > 0) {
                double share = (double) count / codes.length;
                used++;
                entropy -= share * Math.log(share);
            }
        }
        pass.report("codebook_usage", (double) used / all);
        pass.report("codebook_perplexity", Math.exp(entropy));
    }
}
