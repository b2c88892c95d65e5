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
 * row's text; a piece is divided in two somewhere in its middle half, and the parts stay or become what {@link Other} says:
 * the second is exchanged for as many tokens of another piece, or they change places.
 */
public final class SentencePairs implements BatchSource {
    /** What the second text of a row is in half of the rows; in the others it is what follows the first. */
    public enum Other {
        /** The beginning of another piece, of another document where there are several. */
        ELSEWHERE,
        /** The first text, which changed places with it. */
        BEFORE
    }

    /** Tokens of a row that are no text. */
    private static final int FRAME = 3;

    private static final int LEAST_PIECE = 2;

    private final Objective.Input input;
    private final MaskedTokens masked;
    private final Other other;
    private final TokenStream tokens;
    private final int first;
    private final int between;
    private final int padding;
    /** Tokens of text in a row. */
    private final int room;
    /** The number of pieces before each document. */
    private final long[] piecesBefore;

    private final long pieces;

    /**
     * Measures every document once.
     *
     * @param objective its id, for messages
     */
    public SentencePairs(Objective.Input input, MaskedTokens masked, Other other, String objective) {
        this.input = input;
        this.masked = masked;
        this.other = other;
        this.tokens = input.tokens();
        this.first = input.tokenizer()
                .special(SpecialToken.CLS_TOKEN)
                .orElseThrow(() -> MaskedTokens.missing("cls_token", objective));
        this.between = input.tokenizer()
                .special(SpecialToken.SEP_TOKEN)
                .orElseThrow(() -> MaskedTokens.missing("sep_token", objective));
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
        int least = other == Other.ELSEWHERE ? 2 : 1;
        if (pieces < least) {
            throw QuernException.badInput(
                    "%s: %,d tokens in %,d documents make %d rows of two texts, and %d are needed; give more text or a smaller max_length",
                    tokens.origin(), tokens.size(), tokens.documents(), pieces, least);
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
            long start1 = piece.start;
            int length1 = divide(piece.length, key);
            long start2 = piece.start + length1;
            int length2 = piece.length - length1;
            if (Mix.below(key, -2, 2) == 1) {
                next[row] = 1;
                if (other == Other.ELSEWHERE) {
                    Piece second = elsewhere(piece, number, key);
                    start2 = second.start;
                    length2 = Math.min(length2, second.length);
                } else {
                    start2 = start1;
                    start1 += length1;
                    int length = length1;
                    length1 = length2;
                    length2 = length;
                }
            }
            int at = row * columns;
            int secondAt = at + length1 + 2;
            ids[at] = first;
            tokens.read(start1, ids, at + 1, length1);
            ids[secondAt - 1] = between;
            tokens.read(start2, ids, secondAt, length2);
            ids[secondAt + length2] = between;
            Arrays.fill(types, secondAt, secondAt + length2 + 1, 1);
            lengths[row] = length1 + length2 + FRAME;
            masked.hide(ids, labels, at + 1, lengths[row] - 1, key);
        }
        Map<String, Batch.Values> others = Batch.maskWherePadded(lengths, columns);
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
