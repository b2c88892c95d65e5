package quern.data;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.LongFunction;
import java.util.stream.LongStream;
import java.util.stream.Stream;
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
    private final Optional<FittingDocuments> fitting;

    private CaptionedImages(Objective.Input input, int side, ImageSource images) {
        this(
                input,
                side,
                images,
                LongStream.range(0, input.tokens().documents())
                        .filter(images::has)
                        .toArray(),
                Optional.empty());
    }

    private CaptionedImages(
            Objective.Input input, int side, ImageSource images, long[] documents, Optional<FittingDocuments> fitting) {
        this.input = input;
        this.side = side;
        this.images = images;
        this.end = input.tokenizer().endOfText();
        this.documents = documents;
        this.fitting = fitting;
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

    /** What may become of a caption that is too long for its row: a part of it is none of its image. */
    public static Set<OnTooLong> onTooLong() {
        return EnumSet.of(OnTooLong.ERROR, OnTooLong.DROP);
    }

    /**
     * Those whose captions fit into a row of {@code max_length} tokens; the others are left out where {@code data.on_too_long}
     * is {@code drop}.
     *
     * @param besides tokens that a row has beside its caption's
     * @throws QuernException bad input for a caption that doesn't fit and is not to be left out
     */
    public CaptionedImages fitting(int besides) {
        FittingDocuments rows = new FittingDocuments(
                input.tokens(),
                documents,
                document -> caption(input, document, Integer.MAX_VALUE).length + (long) besides,
                input.data().maxLength(),
                input.data().onTooLong() == OnTooLong.DROP ? OnTooLong.DROP : OnTooLong.ERROR);
        long[] those = LongStream.range(0, rows.count()).map(rows::document).toArray();
        return new CaptionedImages(input, side, images, those, Optional.of(rows));
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
     * epoch. A row has one label: its own number. Captions fit as {@link #fitting} says.
     */
    public BatchSource pairs() {
        return new CaptionedBatches(fitting((int) end.stream().count()), input, end);
    }

    /** The same for a model that reads no captions: one that is too long for a row is cut. */
    public BatchSource unread() {
        return new CaptionedBatches(this, input, end);
    }

    /** What became of captions that are too long; empty where none was measured. */
    public Optional<TooLong> tooLong() {
        return fitting.map(FittingDocuments::tooLong);
    }

    /** What a person should know, a line each. */
    public List<String> notices() {
        return Stream.concat(images.notices().stream(), fitting.stream().flatMap(rows -> rows.notices().stream()))
                .toList();
    }
}
