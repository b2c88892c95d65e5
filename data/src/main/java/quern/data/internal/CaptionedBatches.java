package quern.data.internal;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.CaptionedImages;
import quern.data.EpochOrder;
import quern.data.Objective;
import quern.data.SpecialToken;
import quern.data.TooLong;

/** Captions, cut to a row, and their images. A row's label says which image is its own: that of the same row. */
public final class CaptionedBatches implements BatchSource {
    private final CaptionedImages images;
    private final Objective.Input input;
    private final int[] end;
    private final int padding;
    private final EpochOrder order;

    /** With captions that end with {@code end}. */
    public CaptionedBatches(CaptionedImages images, Objective.Input input, OptionalInt end) {
        this.images = images;
        this.input = input;
        this.end = end.stream().toArray();
        this.padding = input.tokenizer().special(SpecialToken.PAD_TOKEN).orElse(0);
        this.order = new EpochOrder(images.count(), input.rowsPerBatch(), epoch -> Mix.hash(input.seed(), 2 * epoch));
    }

    @Override
    public long batchesPerEpoch() {
        return order.batchesPerEpoch();
    }

    @Override
    public List<String> notices() {
        return images.notices();
    }

    @Override
    public Optional<TooLong> tooLong() {
        return images.tooLong();
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long epochKey = Mix.hash(input.seed(), ~order.epoch(globalBatchIndex));
        long start = order.first(globalBatchIndex);
        int[] numbers = order.batch(globalBatchIndex);
        int rows = numbers.length;
        int side = images.side();
        int[][] captions = new int[rows][];
        float[] pixels = new float[rows * images.values()];
        int columns = 0;
        for (int row = 0; row < rows; row++) {
            captions[row] = caption(numbers[row]);
            columns = Math.max(columns, captions[row].length);
            images.paint(numbers[row], Mix.hash(epochKey, start + row), pixels, row * images.values());
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
        Map<String, Batch.Values> others = new HashMap<>(Batch.maskWherePadded(lengths, columns));
        others.put("pixel_values", new Batch.Values.Floats(pixels, rows, CaptionedImages.CHANNELS, side, side));
        return new Batch(rows, columns, ids, labels, lengths, others);
    }

    private int[] caption(long number) {
        int[] caption = images.caption(number);
        int room = Math.max(0, input.data().maxLength() - end.length);
        return RewrittenRows.joined(Arrays.copyOf(caption, Math.min(room, caption.length)), end);
    }
}
