package quern.data;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Images made again from codes (VQ-VAE, van den Oord et al. 2017, arXiv:1711.00937): the model learns a codebook and how to write
 * an image in it, as the first of DALL-E's two stages (Ramesh et al. 2021, arXiv:2102.12092). {@link CaptionedImages} says where the
 * images come from; their captions are not read. The loss is the model's own, equation 3; {@code codebook_usage}, {@code
 * codebook_perplexity} and {@code reconstruction_loss} are among the metrics of a step.
 */
public final class VectorQuantizedImages implements Objective {
    /** @param imageSize pixels of an image's side; the model's {@code image_size} */
    public record Config(
            @Doc("The pixels of an image's side; the model's image_size.") @Default("32") @Range(min = 4, max = 1024)
            int imageSize) {}

    @Override
    public String id() {
        return "vq_image";
    }

    @Override
    public String summary() {
        return "make images again from codes of a learned codebook (VQ-VAE)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public String task() {
        return "image_tokens";
    }

    @Override
    public List<String> specialTokens() {
        return List.of("<pad>", "<|endoftext|>");
    }

    /** None: a row is an image. */
    @Override
    public Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        return Set.of();
    }

    @Override
    public BatchSource source(Input input, Record config) {
        return images(input, config, false);
    }

    @Override
    public Optional<BatchSource> evaluation(Input input, Record config) {
        return Optional.of(images(input, config, true));
    }

    private BatchSource images(Input input, Record config, boolean validation) {
        return CaptionedImages.of(input, ((Config) config).imageSize(), validation, id())
                .unread();
    }
}
