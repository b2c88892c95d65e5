package quern.train;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import quern.data.Tokenizer;
import quern.models.GenerationConfig;
import quern.models.Generator;
import quern.models.LanguageModel;
import quern.models.LogitsProcessor;
import quern.models.vqvae.ImageTokenizer;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;

/**
 * Makes images of captions by a model that {@link ImageTokens} trained: after the caption it writes as many codes as an image has,
 * and nothing else, and a VQ-VAE makes the image of them.
 */
public final class ImageGenerator {
    private final Generator generator;
    private final Tokenizer tokenizer;
    private final ImageTokenizer images;
    private final int start;
    private final Map<Long, Integer> codeOf = new HashMap<>();

    /**
     * A generator with fixed settings; how many tokens are made the image says.
     *
     * @param images the VQ-VAE by whose codes the model was trained; it stays the caller's
     * @throws QuernException bad input for a tokenizer without tokens for the codes, or settings that end a text
     */
    public ImageGenerator(LanguageModel model, Tokenizer tokenizer, ImageTokenizer images, GenerationConfig config) {
        if (!config.stopStrings().isEmpty()) {
            throw QuernException.badInput("stop_strings: an image is no text to stop in; leave them out");
        }
        int[] ids = ImageTokens.ids(tokenizer, images.settings().codes());
        for (int code = 0; code < ids.length; code++) {
            codeOf.put((long) ids[code], code);
        }
        this.tokenizer = tokenizer;
        this.images = images;
        this.start = tokenizer.id(ImageTokens.START);
        GenerationConfig wholeImage = config.with(Block.empty(Position.of("image"))
                .with("max_new_tokens", images.settings().codesPerImage()));
        long[] allowed = Arrays.stream(ids).asLongStream().toArray();
        this.generator = new Generator(model, wholeImage, null, LogitsProcessor.only(allowed));
    }

    /**
     * An image.
     *
     * @return values in [-1, 1], or a little beyond, colour by colour, row by row
     */
    public float[] generate(String caption) {
        int[] text = tokenizer.encode(caption);
        long[] prompt = new long[text.length + 1];
        for (int i = 0; i < text.length; i++) {
            prompt[i] = text[i];
        }
        prompt[text.length] = start;
        long[] made = generator.generate(List.of(prompt)).getFirst().tokens();
        return images.decode(Arrays.stream(made).mapToInt(codeOf::get).toArray());
    }

    /** Pixels of an image's side. */
    public int side() {
        return images.settings().imageSize();
    }
}
