package quern.data;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * CLIP's objective (Radford et al. 2021, arXiv:2103.00020): of the images and texts of a batch, tell which belong together.
 * {@link CaptionedImages} says where both come from. Each pair is told from all others of its step, accumulated batches included.
 */
public final class ContrastiveTextImage implements Objective {
    /** @param imageSize pixels of an image's side; the model's {@code vision_config.image_size} */
    public record Config(
            @Doc("The pixels of an image's side; the model's vision_config.image_size.")
            @Default("32")
            @Range(min = 4, max = 1024)
            int imageSize) {}

    @Override
    public String id() {
        return "contrastive_text_image";
    }

    @Override
    public String summary() {
        return "tell which image and text belong together (CLIP)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public String task() {
        return "contrastive";
    }

    /** No: each pair is told from the others of its batch. */
    @Override
    public boolean dividesBatches() {
        return false;
    }

    @Override
    public List<String> specialTokens() {
        return List.of("<pad>", "<|endoftext|>");
    }

    /** An error or leaving out: a part of a caption is none of its image. */
    @Override
    public Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        return CaptionedImages.onTooLong();
    }

    @Override
    public BatchSource source(Input input, Record config) {
        return pairs(input, config, false);
    }

    @Override
    public Optional<BatchSource> evaluation(Input input, Record config) {
        return Optional.of(pairs(input, config, true));
    }

    private BatchSource pairs(Input input, Record config, boolean validation) {
        if (input.tokenizer().endOfText().isEmpty()) {
            throw QuernException.badInput(
                    "objective: contrastive_text_image: the tokenizer has no end-of-text token, whose place stands for the text; use one that has it, or train one without special_tokens of its own");
        }
        return CaptionedImages.of(input, ((Config) config).imageSize(), validation, id())
                .pairs();
    }
}
