package quern.data;

import java.util.Arrays;
import java.util.List;
import java.util.function.LongUnaryOperator;
import quern.recipe.QuernException;

/**
 * The documents of a stream as rows of bounded length: what is too long is answered as the settings say, and documents and
 * pieces of them are numbered without what is left out.
 */
public final class FittingDocuments {
    /** A last piece of fewer tokens has nothing to learn from; it is left out where a piece may have more. */
    private static final int LEAST_PIECE = 2;

    private final TokenStream tokens;
    private final LongUnaryOperator size;
    private final int room;
    private final long count;
    /** The stream's documents that are rows; null where all are, and whole or cut. */
    private final long[] chosen;
    /** Which piece of its document each is; null where none is split. */
    private final int[] pieces;

    private final TooLong tooLong;

    /** The documents of a stream, each a row of at most {@code room} tokens. */
    public FittingDocuments(TokenStream tokens, int room, OnTooLong answer) {
        this(tokens, document -> size(tokens, document), room, answer);
    }

    /**
     * All documents of a stream, each measured once.
     *
     * @param size the tokens of a row that a document would need, beside what frames a row
     * @param room how many there is room for
     * @param answer to a document that needs more
     */
    public FittingDocuments(TokenStream tokens, LongUnaryOperator size, int room, OnTooLong answer) {
        this(tokens, null, size, room, answer);
    }

    /**
     * The same of some documents of a stream.
     *
     * @param among which of them, in the order of their rows; null for all
     * @param size the tokens of a row that a document would need, beside what frames a row
     * @param room how many there is room for
     * @param answer to a document that needs more
     */
    FittingDocuments(TokenStream tokens, long[] among, LongUnaryOperator size, int room, OnTooLong answer) {
        this.tokens = tokens;
        this.size = size;
        this.room = room;
        long documents = among == null ? tokens.documents() : among.length;
        long all = 0;
        long lost = 0;
        long longer = 0;
        long made = 0;
        long usable = 0;
        boolean chooses = answer == OnTooLong.DROP || answer == OnTooLong.SPLIT;
        long[] kept = chooses ? new long[Math.clamp(documents, 1, 1024)] : null;
        int[] piece = answer == OnTooLong.SPLIT ? new int[kept.length] : null;
        for (long n = 0; n < documents; n++) {
            long i = among == null ? n : among[(int) n];
            long own = size.applyAsLong(i);
            all += own;
            boolean fits = own <= room;
            if (!fits) {
                longer++;
                switch (answer) {
                    case ERROR ->
                        throw QuernException.badInput(
                                "%s: %,d tokens, more than the %,d that a row has room for; raise max_length, or set data.on_too_long to another answer",
                                tokens.describe(i), own, room);
                    case DROP -> lost += own;
                    case TRUNCATE -> lost += own - room;
                    case SPLIT -> {
                        long parts = pieces(own);
                        lost += Math.max(0, own - parts * room);
                        made += parts;
                    }
                }
            }
            long parts = fits || answer == OnTooLong.TRUNCATE ? 1 : answer == OnTooLong.SPLIT ? pieces(own) : 0;
            for (int p = 0; p < parts; p++) {
                if (chooses) {
                    if (usable == kept.length) {
                        kept = Arrays.copyOf(kept, (int) Math.min(2L * kept.length, Integer.MAX_VALUE - 8));
                        piece = piece == null ? null : Arrays.copyOf(piece, kept.length);
                    }
                    kept[(int) usable] = i;
                    if (piece != null) {
                        piece[(int) usable] = p;
                    }
                }
                usable++;
            }
        }
        if (usable == 0 && documents > 0) {
            throw QuernException.badInput(
                    "%s: none of %,d documents fits into a row's %,d tokens; raise max_length, or set data.on_too_long to another answer",
                    tokens.origin(), documents, room);
        }
        this.count = usable;
        this.chosen = longer > 0 && chooses ? Arrays.copyOf(kept, (int) usable) : among;
        this.pieces = made > 0 ? Arrays.copyOf(piece, (int) usable) : null;
        this.tooLong = new TooLong(
                documents,
                answer == OnTooLong.DROP ? longer : 0,
                answer == OnTooLong.TRUNCATE ? longer : 0,
                answer == OnTooLong.SPLIT ? longer : 0,
                made,
                all,
                lost);
    }

    private long pieces(long tokens) {
        return tokens / room + (tokens % room >= Math.min(LEAST_PIECE, room) ? 1 : 0);
    }

    /** The tokens of a document. */
    public static long size(TokenStream tokens, long document) {
        return tokens.documentStart(document + 1) - tokens.documentStart(document);
    }

    /** How many rows there are. */
    public long count() {
        return count;
    }

    /** The document of a row. */
    public long document(long row) {
        return chosen == null ? row : chosen[(int) row];
    }

    /** The place in the stream where the row's text begins. */
    public long start(long row) {
        return tokens.documentStart(document(row)) + before(row);
    }

    /** How many tokens a row has. */
    public int length(long row) {
        return (int) Math.min(room, size.applyAsLong(document(row)) - before(row));
    }

    private long before(long row) {
        return pieces == null ? 0 : (long) pieces[(int) row] * room;
    }

    /** What became of what was too long. */
    public TooLong tooLong() {
        return tooLong;
    }

    /** The same for a person; nothing where all fit. */
    public List<String> notices() {
        if (tooLong.count() == 0) {
            return List.of();
        }
        String so = "%,d of %,d documents are longer than a row's %,d tokens and "
                .formatted(tooLong.count(), tooLong.documents(), room);
        if (tooLong.split() > 0) {
            return List.of(so + "are split into %,d".formatted(tooLong.pieces()));
        }
        return List.of(
                tooLong.dropped() > 0
                        ? so + "are left out"
                        : so
                                + "lose %,d of %,d tokens (%.1f%%)"
                                        .formatted(
                                                tooLong.lostTokens(),
                                                tooLong.tokens(),
                                                100.0 * tooLong.lostTokens() / tooLong.tokens()));
    }
}
