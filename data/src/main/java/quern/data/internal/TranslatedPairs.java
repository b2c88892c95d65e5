package quern.data.internal;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.FittingDocuments;
import quern.data.Objective;
import quern.data.Permutation;
import quern.data.SpecialToken;
import quern.data.TokenStream;
import quern.data.TooLong;
import quern.recipe.QuernException;

/** Rows of a text and its translation with hidden tokens. Where both are too long for a row, the longer one is cut first. */
public final class TranslatedPairs implements BatchSource {
    /** Tokens of a row that are no text. */
    private static final int FRAME = 3;

    private final Objective.Input input;
    private final TokenStream texts;
    private final TokenStream translations;
    private final MaskedTokens masked;
    private final int first;
    private final int between;
    private final int padding;
    /** Tokens of text in a row. */
    private final int room;

    private final FittingDocuments documents;

    /**
     * Document i of the input is translated by document i of {@code translations}.
     *
     * @param objective its id, for messages
     */
    public TranslatedPairs(Objective.Input input, TokenStream translations, MaskedTokens masked, String objective) {
        this.input = input;
        this.texts = input.tokens();
        this.translations = translations;
        this.masked = masked;
        this.first = input.tokenizer()
                .special(SpecialToken.CLS_TOKEN)
                .orElseThrow(() -> MaskedTokens.missing("cls_token", objective));
        this.between = input.tokenizer()
                .special(SpecialToken.SEP_TOKEN)
                .orElseThrow(() -> MaskedTokens.missing("sep_token", objective));
        this.padding = input.tokenizer().special(SpecialToken.PAD_TOKEN).orElse(0);
        this.room = input.data().maxLength() - FRAME;
        if (room < 2) {
            throw QuernException.badInput(
                    "max_length: %d tokens leave no room for two texts between %d special tokens; raise it",
                    input.data().maxLength(), FRAME);
        }
        this.documents = new FittingDocuments(
                texts,
                pair -> FittingDocuments.size(texts, pair) + FittingDocuments.size(translations, pair),
                room,
                input.data().onTooLong());
    }

    @Override
    public List<TokenStream> texts() {
        return List.of(translations);
    }

    @Override
    public long batchesPerEpoch() {
        return (documents.count() + input.rowsPerBatch() - 1) / input.rowsPerBatch();
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
    public Batch batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch();
        long start = globalBatchIndex % batchesPerEpoch() * input.rowsPerBatch();
        int count = (int) Math.min(input.rowsPerBatch(), documents.count() - start);
        Permutation order = new Permutation(documents.count(), Mix.hash(input.seed(), 2 * epoch));
        int[][] rows = new int[count][];
        int[] seconds = new int[count];
        int[] lengths = new int[count];
        for (int row = 0; row < count; row++) {
            long pair = documents.document(order.at(start + row));
            long size1 = FittingDocuments.size(texts, pair);
            long size2 = FittingDocuments.size(translations, pair);
            int length1 = (int) Math.min(size1, Math.max(room - size2, (room + 1) / 2));
            int length2 = (int) Math.min(size2, room - length1);
            lengths[row] = length1 + length2 + FRAME;
            rows[row] = new int[lengths[row]];
            seconds[row] = length1 + 2;
            rows[row][0] = first;
            texts.read(texts.documentStart(pair), rows[row], 1, length1);
            rows[row][length1 + 1] = between;
            translations.read(translations.documentStart(pair), rows[row], seconds[row], length2);
            rows[row][lengths[row] - 1] = between;
        }
        int columns = Arrays.stream(lengths).max().orElse(0);
        int[] ids = new int[count * columns];
        int[] labels = MaskedTokens.noLabels(count * columns);
        int[] types = new int[count * columns];
        int[] positions = new int[count * columns];
        Arrays.fill(ids, padding);
        for (int row = 0; row < count; row++) {
            int at = row * columns;
            System.arraycopy(rows[row], 0, ids, at, lengths[row]);
            Arrays.fill(types, at + seconds[row], at + lengths[row], 1);
            for (int i = 0; i < lengths[row]; i++) {
                positions[at + i] = i < seconds[row] ? i : i - seconds[row];
            }
            long key = Mix.hash(Mix.hash(input.seed(), ~epoch), start + row);
            masked.hide(ids, labels, at + 1, lengths[row] - 1, key);
        }
        Map<String, Batch.Values> others = Batch.maskWherePadded(lengths, columns);
        others.put("token_type_ids", new Batch.Values.Ints(types, count, columns));
        others.put("text_positions", new Batch.Values.Ints(positions, count, columns));
        return new Batch(count, columns, ids, labels, lengths, others);
    }
}
