package quern.data;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import quern.data.internal.PaintedPairs;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * CLIP's objective (Radford et al. 2021, arXiv:2103.00020): of the images and texts of a batch, tell which belong together.
 * The texts are the captions of {@code data: {source: shapes}}, a document each; the image of a caption is painted from
 * it, a little differently in every epoch. Each pair is told from all others of its step, accumulated batches included.
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
        return EnumSet.of(OnTooLong.ERROR, OnTooLong.DROP);
    }

    @Override
    public BatchSource source(Input input, Record config) {
        int end = input.tokenizer()
                .endOfText()
                .orElseThrow(
                        () -> QuernException.badInput(
                                "objective: contrastive_text_image: the tokenizer has no end-of-text token, whose place stands for the text; use one that has it, or train one without special_tokens of its own"));
        return new PaintedPairs(input, ((Config) config).imageSize(), end);
    }
}
