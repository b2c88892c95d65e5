package quern.data.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import quern.data.Batch;
import quern.data.OnTooLong;
import quern.data.TokenStream;
import quern.data.TooLong;
import quern.recipe.QuernException;

/**
 * The documents of a stream that can be rows or parts of rows: those with something to learn. A document of n tokens is n - 1
 * inputs, since its last token is only a target; targets within its prompt do not count. One that is too long may be split into
 * pieces, which are documents of their own here: every target of it is one of a single piece. Documents are numbered without
 * those that are left out.
 */
public final class WholeDocuments {
    private final TokenStream tokens;
    private final int most;
    private final long count;
    /** The stream's documents that are here; null where all are. */
    private final long[] chosen;
    /** Which piece of its document each is; null where none is split. */
    private final int[] pieces;

    private final List<String> notices;
    private final TooLong tooLong;

    /**
     * Measures every document once.
     *
     * @param most inputs of a document
     */
    public WholeDocuments(TokenStream tokens, int most, OnTooLong onTooLong) {
        this.tokens = tokens;
        this.most = most;
        long tooLong = 0;
        long lost = 0;
        long unanswered = 0;
        long nothing = 0;
        long usable = 0;
        long made = 0;
        long[] kept = new long[(int) Math.min(1024, tokens.documents())];
        int[] piece = onTooLong == OnTooLong.SPLIT ? new int[kept.length] : null;
        for (long i = 0; i < tokens.documents(); i++) {
            long inputs = size(i) - 1;
            boolean fits = inputs <= most;
            if (!fits) {
                tooLong++;
                lost += onTooLong == OnTooLong.DROP ? inputs + 1 : 0;
                if (onTooLong == OnTooLong.ERROR) {
                    throw QuernException.badInput(
                            "%s: %,d tokens, more than max_length %,d has room for; raise max_length, or set data.on_too_long to drop, truncate or split",
                            tokens.describe(i), inputs + 1, most);
                }
            }
            if (!fits && onTooLong == OnTooLong.SPLIT) {
                long all = (inputs + most - 1) / most;
                for (int p = 0; p < all; p++) {
                    if (learns(i, p)) {
                        kept = grown(kept, usable);
                        piece = Arrays.copyOf(piece, kept.length);
                        piece[(int) usable] = p;
                        kept[(int) usable++] = i;
                        made++;
                    } else {
                        unanswered++;
                        lost += Math.min(most, inputs - (long) p * most);
                    }
                }
                continue;
            }
            boolean learns = firstTarget(i) < Math.min(inputs, most);
            if (fits && !learns) {
                nothing++;
            } else if (!fits && onTooLong == OnTooLong.TRUNCATE) {
                unanswered += learns ? 0 : 1;
                lost += learns ? inputs - most : inputs + 1;
            }
            if (learns && (fits || onTooLong == OnTooLong.TRUNCATE)) {
                kept = grown(kept, usable);
                kept[(int) usable++] = i;
            }
        }
        if (usable == 0) {
            throw QuernException.badInput(
                    tooLong == 0
                            ? "%s: %,d tokens in %,d documents and none has the 2 tokens that a row needs; give more text"
                            : "%s: %,d tokens in %,d documents, and none fits into max_length with something to learn; raise max_length",
                    tokens.origin(),
                    tokens.size(),
                    tokens.documents());
        }
        this.count = usable;
        this.chosen = usable == tokens.documents() && made == 0 ? null : Arrays.copyOf(kept, (int) usable);
        this.pieces = made == 0 ? null : Arrays.copyOf(piece, (int) usable);
        this.notices = notices(onTooLong, tooLong, lost, unanswered, nothing, made);
        boolean truncates = onTooLong == OnTooLong.TRUNCATE;
        long dropped = truncates ? unanswered : onTooLong == OnTooLong.DROP ? tooLong : 0;
        this.tooLong = new TooLong(
                tokens.documents(),
                dropped,
                truncates ? tooLong - dropped : 0,
                onTooLong == OnTooLong.SPLIT ? tooLong : 0,
                made,
                tokens.size(),
                lost);
    }

    private static long[] grown(long[] kept, long used) {
        return used < kept.length ? kept : Arrays.copyOf(kept, (int) Math.min(2L * kept.length, Integer.MAX_VALUE - 8));
    }

    /** Whether a piece of a document has a target that counts. */
    private boolean learns(long document, int piece) {
        long start = tokens.documentStart(document) + (long) piece * most + 1;
        long end = Math.min(start + most, tokens.documentStart(document + 1));
        long[] learned = tokens.learned(document);
        for (int i = 0; i < learned.length; i += 2) {
            if (Math.max(start, learned[i]) < Math.min(end, learned[i + 1])) {
                return true;
            }
        }
        return false;
    }

    private List<String> notices(
            OnTooLong onTooLong, long tooLong, long lost, long unanswered, long nothing, long made) {
        List<String> all = new ArrayList<>();
        long of = tokens.documents();
        if (tooLong > 0 && onTooLong == OnTooLong.SPLIT) {
            all.add("%,d of %,d documents are longer than max_length %,d and are split into %,d"
                    .formatted(tooLong, of, most, made));
            if (unanswered > 0) {
                all.add("%,d more pieces are left out, since they are all prompt".formatted(unanswered));
            }
        } else if (tooLong > 0 && onTooLong == OnTooLong.DROP) {
            all.add("%,d of %,d documents are longer than max_length %,d and are left out"
                    .formatted(tooLong, of, most));
        } else if (tooLong > 0) {
            all.add("%,d of %,d documents are longer than max_length %,d and lose %,d of %,d tokens (%.1f%%)"
                    .formatted(tooLong, of, most, lost, tokens.size(), 100.0 * lost / tokens.size()));
        }
        if (unanswered > 0 && onTooLong == OnTooLong.TRUNCATE) {
            all.add("%,d of %,d documents are left out, since their prompt alone fills max_length %,d"
                    .formatted(unanswered, of, most));
        }
        if (nothing > 0) {
            all.add("%,d of %,d documents are left out, since there is nothing to predict in them (%s)"
                    .formatted(nothing, of, tokens.hasPrompts() ? "no answer" : "fewer than 2 tokens"));
        }
        return List.copyOf(all);
    }

    private long size(long document) {
        return tokens.documentStart(document + 1) - tokens.documentStart(document);
    }

    /** The first input of a document whose target counts. */
    private long firstTarget(long document) {
        return Math.max(0, tokens.answerStart(document) - tokens.documentStart(document) - 1);
    }

    private long document(long number) {
        return chosen == null ? number : chosen[(int) number];
    }

    /** How many there are. */
    long count() {
        return count;
    }

    /** The most inputs of one. */
    int most() {
        return most;
    }

    /** Inputs of a document. */
    int length(long number) {
        return (int) Math.min(most, size(document(number)) - 1 - before(number));
    }

    /** Inputs of the document that lie in pieces before this one. */
    private long before(long number) {
        return pieces == null ? 0 : (long) pieces[(int) number] * most;
    }

    List<String> notices() {
        return notices;
    }

    /** What became of documents that are too long. */
    TooLong tooLong() {
        return tooLong;
    }

    /** Takes the targets from those places of the stream out of {@code labels} that are not within one of {@code learned}. */
    private static void hideContext(int[] labels, int offset, long start, long end, long[] learned) {
        long at = start;
        for (int i = 0; i < learned.length; i += 2) {
            long from = Math.clamp(learned[i], at, end);
            Arrays.fill(labels, offset + (int) (at - start), offset + (int) (from - start), Batch.NOT_COUNTED);
            at = Math.clamp(learned[i + 1], from, end);
        }
        Arrays.fill(labels, offset + (int) (at - start), offset + (int) (end - start), Batch.NOT_COUNTED);
    }

    /** A batch of rows, each of some documents, one behind another. */
    Batch batch(List<long[]> rows) {
        int[] lengths = new int[rows.size()];
        int[] documents = new int[rows.stream().mapToInt(row -> row.length).sum()];
        int total = 0;
        int at = 0;
        for (int row = 0; row < lengths.length; row++) {
            for (long number : rows.get(row)) {
                documents[at] = length(number);
                lengths[row] += documents[at++];
            }
            total = Math.addExact(total, lengths[row]);
        }
        int[] inputIds = new int[total];
        int[] labels = new int[total];
        int from = 0;
        for (long[] row : rows) {
            for (long number : row) {
                long document = document(number);
                long start = tokens.documentStart(document) + before(number);
                int length = length(number);
                tokens.read(start, inputIds, from, length);
                tokens.read(start + 1, labels, from, length);
                hideContext(labels, from, start + 1, start + 1 + length, tokens.learned(document));
                from += length;
            }
        }
        return Batch.unpadded(inputIds, labels, lengths, documents);
    }
}
