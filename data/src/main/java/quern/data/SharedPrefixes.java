package quern.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The tokens of an unpadded batch with what several documents begin with standing there once: pieces, of which one may go on
 * from an earlier one. In a causal model a token gives the same whatever comes after it, so losses and gradients are those of
 * the documents apart, up to rounding; templates, system prompts and prompts with several answers need computing once.
 *
 * <p>Only tokens without a target are shared, since a token with one has it in each document. What is shared is a trie of the
 * documents' beginnings whose edges have at least {@link #SHORTEST} tokens. Liu et al. 2025, arXiv:2506.05433 (Prefix
 * Grouper), share one prompt among its answers; here any batch is grouped, several levels deep.
 *
 * @param tokens for each token here its place in the batch
 * @param starts where each piece starts, and behind them the number of tokens
 * @param before for each piece the earlier one that it goes on from, -1 where it begins a document
 */
public record SharedPrefixes(int[] tokens, int[] starts, int[] before) {
    /** What is shared has at least so many tokens, since pieces have a cost of their own. */
    static final int SHORTEST = 8;

    /** The share of tokens that must fall away for it to pay: documents apart have threads of their own. */
    private static final double LEAST_SAVED = 1.0 / 16;

    /** A document: where it is in the batch, its tokens, and how many at its start can be shared. */
    private record Begun(int start, int length, int sharable) {}

    /** The pieces of a batch; empty where it is padded, or where too little is shared to be worth it. */
    public static Optional<SharedPrefixes> of(Batch batch) {
        if (!batch.isUnpadded() || batch.documents().length < 2) {
            return Optional.empty();
        }
        Grouping grouping = new Grouping(batch);
        return grouping.saved() < LEAST_SAVED * batch.inputIds().length
                ? Optional.empty()
                : Optional.of(grouping.pieces());
    }

    /** The numbers that the tokens have in an array of the batch's. */
    public int[] take(int[] ofBatch) {
        return Arrays.stream(tokens).map(i -> ofBatch[i]).toArray();
    }

    /** Sorts the documents of a batch, so that those with a common beginning are neighbours, and divides them. */
    private static final class Grouping {
        private final int[] ids;
        private final List<Begun> documents = new ArrayList<>();
        private final int[] tokens;
        private final List<Integer> starts = new ArrayList<>();
        private final List<Integer> before = new ArrayList<>();
        private int count;

        Grouping(Batch batch) {
            ids = batch.inputIds();
            tokens = new int[ids.length];
            int start = 0;
            for (int length : batch.documents()) {
                int sharable = 0;
                while (sharable < length - 1 && batch.labels()[start + sharable] == Batch.NOT_COUNTED) {
                    sharable++;
                }
                documents.add(new Begun(start, length, sharable));
                start += length;
            }
            documents.sort(
                    (a, b) -> Arrays.compare(ids, a.start, a.start + a.sharable, ids, b.start, b.start + b.sharable));
            divide(0, documents.size(), 0, -1);
        }

        int saved() {
            return ids.length - count;
        }

        SharedPrefixes pieces() {
            starts.add(count);
            return new SharedPrefixes(
                    Arrays.copyOf(tokens, count),
                    starts.stream().mapToInt(i -> i).toArray(),
                    before.stream().mapToInt(i -> i).toArray());
        }

        /** Pieces for the documents [from, to), whose first {@code depth} tokens stand in {@code piece} and before it. */
        private void divide(int from, int to, int depth, int piece) {
            if (to - from == 1) {
                Begun only = documents.get(from);
                add(only, depth, only.length, piece);
                return;
            }
            int common = common(from, to);
            int reached = depth;
            int parent = piece;
            if (common - depth >= SHORTEST) {
                parent = add(documents.get(from), depth, common, piece);
                reached = common;
            }
            // Behind what all have in common they go apart: by their next token, and where they can't be shared
            // further.
            int first = from;
            while (first < to) {
                int next = first + 1;
                while (next < to && goOnAlike(documents.get(first), documents.get(next), common)) {
                    next++;
                }
                divide(first, next, reached, parent);
                first = next;
            }
        }

        private int add(Begun document, int from, int to, int piece) {
            starts.add(count);
            before.add(piece);
            for (int i = from; i < to; i++) {
                tokens[count++] = document.start + i;
            }
            return starts.size() - 1;
        }

        private boolean goOnAlike(Begun a, Begun b, int common) {
            return a.sharable > common && b.sharable > common && ids[a.start + common] == ids[b.start + common];
        }

        /** Tokens that all of [from, to) begin with; of sorted ones the first and the last have no more. */
        private int common(int from, int to) {
            Begun a = documents.get(from);
            Begun b = documents.get(to - 1);
            int most = Math.min(a.sharable, b.sharable);
            int same = Arrays.mismatch(ids, a.start, a.start + most, ids, b.start, b.start + most);
            return same < 0 ? most : same;
        }
    }
}
