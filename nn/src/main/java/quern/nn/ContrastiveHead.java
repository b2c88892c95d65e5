package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Tells which image and text belong together (Radford et al. 2021, arXiv:2103.00020): {@code logits} [I, T] are the
 * cosines of {@code image_embeds} [I, D] and {@code text_embeds} [T, D] times e to the learned {@code logit_scale}.
 *
 * <p>With {@code weights} (fp32 [B] or [B, 1]) row i of both is a pair, and all other rows of the batch are what it is told from. It
 * then writes {@code logprobs} [B] in fp32, the mean of the log-probabilities of the pair's text given its image and of
 * its image given its text, and {@code loss} [1], {@code -Σ weight · logprob}.
 */
public final class ContrastiveHead extends Segment implements InBatchLoss {
    /** The images' vectors. */
    public static final String IMAGES = "image_embeds";

    /** The texts' vectors. */
    public static final String TEXTS = "text_embeds";

    private final Parameter logitScale;

    /** {@code logitScale} has no dimension. */
    public ContrastiveHead(String name, Parameter logitScale) {
        super(name);
        this.logitScale = logitScale;
    }

    @Override
    public List<String> reads() {
        return List.of(IMAGES, TEXTS);
    }

    @Override
    public List<String> embeddings() {
        return List.of(IMAGES, TEXTS);
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of("weights");
    }

    @Override
    public List<String> writes() {
        return List.of("logits", "logprobs", "loss");
    }

    @Override
    public List<Parameter> parameters() {
        return List.of(logitScale);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor images_ID = unit(flow.get(IMAGES));
        Tensor texts_TD = unit(flow.get(TEXTS));
        Tensor logits_IT =
                images_ID.matmul(texts_TD.t()).mul(pass.value(logitScale).exp());
        logits_IT = pass.at(name(), "logits", logits_IT);
        flow.put("logits", logits_IT);
        Tensor weights_B = flow.find("weights");
        if (weights_B == null) {
            return;
        }
        Tensor scores = logits_IT.to(DType.FP32);
        Tensor logprobs_B = diagonal(Functional.logSoftmax(scores, 1))
                .add(diagonal(Functional.logSoftmax(scores, 0)))
                .mul(0.5);
        flow.put("logprobs", logprobs_B);
        flow.put("loss", logprobs_B.mul(weights_B.reshape(-1)).sum().neg().view(1));
    }

    private static Tensor unit(Tensor x_BD) {
        return x_BD.div(x_BD.square().sum(true, -1).sqrt());
    }

    private static Tensor diagonal(Tensor x_BB) {
        Tensor rows = Tensor.arange(x_BB.size(0), DType.INT64, x_BB.device()).unsqueeze(1);
        return x_BB.gather(1, rows).squeeze(1);
    }
}
