package quern.data.internal;

import java.util.Arrays;
import java.util.Map;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Objective;
import quern.data.Permutation;
import quern.data.SpecialToken;
import quern.data.TokenStream;
import quern.recipe.QuernException;

/**
 * Rows of two texts with hidden tokens, and whether the second follows the first. Every document is cut into pieces of a
 * row's text; a piece is divided in two somewhere in its middle half, and the second part is kept or exchanged for as many
 * tokens from the beginning of another piece: of another document where there are several.
 */
public final class SentencePairs implements BatchSource {
    /** Tokens of a row that are no text. */
    private static final int FRAME = 3;

    private static final int LEAST_PIECE = 2;

    private final Objective.Input input;
    private final MaskedTokens masked;
    private final TokenStream tokens;
    private final int first;
    private final int between;
    private final int padding;
    /** Tokens of text in a row. */
    private final int room;
    /** The number of pieces before each document. */
    private final long[] piecesBefore;

    private final long pieces;

    /** Measures every document once. */
    public SentencePairs(Objective.Input input, MaskedTokens masked) {
        this.input = input;
        this.masked = masked;
        this.tokens = input.tokens();
        this.first = input.tokenizer()
                .special(SpecialToken.CLS_TOKEN)
                .orElseThrow(() -> MaskedTokens.missing("cls_token", "nsp"));
        this.between = input.tokenizer()
                .special(SpecialToken.SEP_TOKEN)
                .orElseThrow(() -> MaskedTokens.missing("sep_token", "nsp"));
        this.padding = input.tokenizer().special(SpecialToken.PAD_TOKEN).orElse(0);
        this.room = input.data().maxLength() - FRAME;
        if (room < LEAST_PIECE) {
            throw QuernException.badInput(
                    "max_length: %d tokens leave no room for two texts between %d special tokens; raise it",
                    input.data().maxLength(), FRAME);
        }
        this.piecesBefore = new long[Math.toIntExact(tokens.documents()) + 1];
        for (int i = 0; i < tokens.documents(); i++) {
            piecesBefore[i + 1] = piecesBefore[i] + piecesOf(size(i));
        }
        this.pieces = piecesBefore[piecesBefore.length - 1];
        if (pieces < 2) {
            throw QuernException.badInput(
                    "%s: %,d tokens in %,d documents make %d rows of two texts, and 2 are needed; give more text or a smaller max_length",
                    tokens.origin(), tokens.size(), tokens.documents(), pieces);
        }
    }

    private long piecesOf(long size) {
        return size / room + (size % room >= LEAST_PIECE ? 1 : 0);
    }

    private long size(long document) {
        return tokens.documentStart(document + 1) - tokens.documentStart(document);
    }

    /** A piece's document, first token and length. */
    private record Piece(int document, long start, int length) {}

    private Piece piece(long number) {
        int found = Arrays.binarySearch(piecesBefore, number);
        int document = found >= 0 ? found : -found - 2;
        // Documents without a piece share their number with the next.
        while (piecesBefore[document + 1] == piecesBefore[document]) {
            document++;
        }
        long inside = (number - piecesBefore[document]) * room;
        return new Piece(
                document, tokens.documentStart(document) + inside, (int) Math.min(room, size(document) - inside));
    }

    @Override
    public long batchesPerEpoch() {
        return (pieces + input.rowsPerBatch() - 1) / input.rowsPerBatch();
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch();
        long start = globalBatchIndex % batchesPerEpoch() * input.rowsPerBatch();
        int count = (int) Math.min(input.rowsPerBatch(), pieces - start);
        Permutation order = new Permutation(pieces, Mix.hash(input.seed(), epoch));
        int columns = room + FRAME;
        int[] ids = new int[count * columns];
        int[] labels = MaskedTokens.noLabels(count * columns);
        int[] types = new int[count * columns];
        int[] next = new int[count];
        int[] lengths = new int[count];
        Arrays.fill(ids, padding);
        for (int row = 0; row < count; row++) {
            long key = Mix.hash(Mix.hash(input.seed(), ~epoch), start + row);
            long number = order.at(start + row);
            Piece piece = piece(number);
            int firstLength = divide(piece.length, key);
            int secondLength = piece.length - firstLength;
            long second = piece.start + firstLength;
            if (Mix.below(key, -2, 2) == 1) {
                Piece other = elsewhere(piece, number, key);
                second = other.start;
                secondLength = Math.min(secondLength, other.length);
                next[row] = 1;
            }
            int at = row * columns;
            int secondAt = at + firstLength + 2;
            ids[at] = first;
            tokens.read(piece.start, ids, at + 1, firstLength);
            ids[secondAt - 1] = between;
            tokens.read(second, ids, secondAt, secondLength);
            ids[secondAt + secondLength] = between;
            Arrays.fill(types, secondAt, secondAt + secondLength + 1, 1);
            lengths[row] = firstLength + secondLength + FRAME;
            masked.hide(ids, labels, at + 1, lengths[row] - 1, key);
        }
        Map<String, Batch.Values> others = FramedRows.maskWherePadded(lengths, columns);
        others.put("token_type_ids", new Batch.Values.Ints(types, count, columns));
        others.put("next_sentence_label", new Batch.Values.Ints(next, count));
        return new Batch(count, columns, ids, labels, lengths, others);
    }

    /** The length of the first text: between a quarter and three quarters, and at least one token for each. */
    private static int divide(int length, long key) {
        int least = Math.max(1, length / 4);
        int most = Math.max(least, length - Math.max(1, length / 4));
        return least + (int) Mix.below(key, -3, most - least + 1L);
    }

    /** Another piece: of another document where there are several with text. */
    private Piece elsewhere(Piece piece, long number, long key) {
        long own = piecesBefore[piece.document + 1] - piecesBefore[piece.document];
        if (own < pieces) {
            long among = Mix.below(key, -4, pieces - own);
            return piece(among < piecesBefore[piece.document] ? among : among + own);
        }
        long among = Mix.below(key, -4, pieces - 1);
        return piece(among < number ? among : among + 1);
    }
}
