package quern.data.internal;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.FittingDocuments;
import quern.data.Objective;
import quern.data.OnTooLong;
import quern.data.Permutation;
import quern.data.SpecialToken;
import quern.data.TokenStream;
import quern.data.TooLong;
import quern.recipe.QuernException;

/**
 * Captions and the images painted from them. A row's label says which image is its own: that of the same row.
 */
public final class PaintedPairs implements BatchSource {
    private static final int CHANNELS = 3;
    /** More tokens than any caption has; of a text that is none no more need be read. */
    private static final int LONGEST = 256;

    private final Objective.Input input;
    private final TokenStream tokens;
    private final int side;
    private final int end;
    private final int padding;
    private final FittingDocuments documents;

    /** Pairs of images with {@code side} pixels a side and captions that end with {@code end}. */
    public PaintedPairs(Objective.Input input, int side, int end) {
        this.input = input;
        this.tokens = input.tokens();
        this.side = side;
        this.end = end;
        this.padding = input.tokenizer().special(SpecialToken.PAD_TOKEN).orElse(0);
        // A text that is no caption shows in the first batch, before a step is taken.
        scene(caption(0));
        OnTooLong answer = input.data().onTooLong() == OnTooLong.DROP ? OnTooLong.DROP : OnTooLong.ERROR;
        this.documents = new FittingDocuments(
                tokens, document -> caption(document).length, input.data().maxLength(), answer);
    }

    @Override
    public List<String> notices() {
        return documents.notices();
    }

    @Override
    public Optional<TooLong> tooLong() {
        return Optional.of(documents.tooLong());
    }

    @Override
    public long batchesPerEpoch() {
        return (documents.count() + input.rowsPerBatch() - 1) / input.rowsPerBatch();
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch();
        long start = globalBatchIndex % batchesPerEpoch() * input.rowsPerBatch();
        int rows = (int) Math.min(input.rowsPerBatch(), documents.count() - start);
        Permutation order = new Permutation(documents.count(), Mix.hash(input.seed(), 2 * epoch));
        int[][] captions = new int[rows][];
        float[] pixels = new float[rows * CHANNELS * side * side];
        int columns = 0;
        for (int row = 0; row < rows; row++) {
            captions[row] = caption(documents.document(order.at(start + row)));
            columns = Math.max(columns, captions[row].length);
            scene(captions[row])
                    .paint(
                            pixels,
                            row * CHANNELS * side * side,
                            side,
                            Mix.hash(Mix.hash(input.seed(), ~epoch), start + row));
        }
        int[] ids = new int[rows * columns];
        int[] lengths = new int[rows];
        int[] labels = new int[rows];
        Arrays.fill(ids, padding);
        for (int row = 0; row < rows; row++) {
            lengths[row] = captions[row].length;
            labels[row] = row;
            System.arraycopy(captions[row], 0, ids, row * columns, lengths[row]);
        }
        Map<String, Batch.Values> others = new HashMap<>(FramedRows.maskWherePadded(lengths, columns));
        others.put("pixel_values", new Batch.Values.Floats(pixels, rows, CHANNELS, side, side));
        return new Batch(rows, columns, ids, labels, lengths, others);
    }

    /** The caption of a document, its end behind it. */
    private int[] caption(long document) {
        long from = tokens.documentStart(document);
        int[] text = new int[(int) Math.min(LONGEST, tokens.documentStart(document + 1) - from)];
        tokens.read(from, text, 0, text.length);
        return RewrittenRows.joined(
                Arrays.stream(text)
                        .filter(id -> id != end && !input.tokenizer().isSpecial(id))
                        .toArray(),
                new int[] {end});
    }

    private Scene scene(int[] caption) {
        String text = input.tokenizer().decode(Arrays.copyOf(caption, caption.length - 1));
        return Scene.parse(text)
                .orElseThrow(() -> QuernException.badInput(
                        "objective: contrastive_text_image: '%s' is no caption of a shape, so there is no image of it; its texts are those of data: {source: shapes}",
                        text.strip().lines().findFirst().orElse("")));
    }
}
