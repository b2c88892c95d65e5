package quern.data;

import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.LongFunction;
import java.util.stream.LongStream;
import quern.data.internal.CaptionedBatches;
import quern.data.internal.FolderImages;
import quern.data.internal.ImageSource;
import quern.data.internal.PaintedScenes;
import quern.recipe.QuernException;

/**
 * Images with captions at one size: those of {@code data: {image_folder: FOLDER}}, or those painted from the captions of {@code
 * data: {source: shapes}}. Documents whose image can't be read are left out and counted.
 */
public final class CaptionedImages {
    /** Colours of a pixel: red, green and blue. */
    public static final int CHANNELS = ImageSource.CHANNELS;

    /** More tokens than a caption of shapes has; of a text that is none no more need be read. */
    private static final int LONGEST = 256;

    private final Objective.Input input;
    private final int side;
    private final ImageSource images;
    private final OptionalInt end;
    private final long[] documents;

    private CaptionedImages(Objective.Input input, int side, ImageSource images) {
        this.input = input;
        this.side = side;
        this.images = images;
        this.end = input.tokenizer().endOfText();
        this.documents = LongStream.range(0, input.tokens().documents())
                .filter(images::has)
                .toArray();
    }

    /**
     * Finds the images of an objective's documents.
     *
     * @param side pixels of an image's side
     * @param validation whether the input is the held-out part
     * @param objective its id, for messages
     * @throws QuernException bad input for texts without images
     */
    public static CaptionedImages of(Objective.Input input, int side, boolean validation, String objective) {
        if (input.data().imageFolder().isPresent()) {
            return new CaptionedImages(input, side, new FolderImages(input, side, validation));
        }
        LongFunction<String> captions = document -> text(input, document, LONGEST);
        return new CaptionedImages(input, side, new PaintedScenes(captions, side, objective));
    }

    private static String text(Objective.Input input, long document, int most) {
        return input.tokenizer().decode(caption(input, document, most));
    }

    /** The tokens of a document that stand for text. */
    private static int[] caption(Objective.Input input, long document, int most) {
        TokenStream tokens = input.tokens();
        long from = tokens.documentStart(document);
        int[] text = new int[(int) Math.min(most, tokens.documentStart(document + 1) - from)];
        tokens.read(from, text, 0, text.length);
        OptionalInt end = input.tokenizer().endOfText();
        return Arrays.stream(text)
                .filter(id ->
                        !end.equals(OptionalInt.of(id)) && !input.tokenizer().isSpecial(id))
                .toArray();
    }

    /** How many there are. */
    public long count() {
        return documents.length;
    }

    /** Pixels of an image's side. */
    public int side() {
        return side;
    }

    /** Values of an image. */
    public int values() {
        return CHANNELS * side * side;
    }

    /** The tokens of a caption, its end left out. */
    public int[] caption(long number) {
        return caption(input, documents[(int) number], Integer.MAX_VALUE);
    }

    /**
     * The image of a caption.
     *
     * @param key where images are painted, the seed of what differs from time to time
     * @param into receives values in [-1, 1], or a little beyond, colour by colour, row by row, from place {@code from}
     */
    public void paint(long number, long key, float[] into, int from) {
        images.paint(documents[(int) number], key, into, from);
    }

    /**
     * Captions, each with its end where the tokenizer has one, and images, {@code pixel_values} [B, 3, S, S], painted anew in every
     * epoch. A row has one label: its own number.
     */
    public BatchSource pairs() {
        return new CaptionedBatches(this, input, end);
    }

    /** What a person should know, a line each. */
    public List<String> notices() {
        return images.notices();
    }
}
