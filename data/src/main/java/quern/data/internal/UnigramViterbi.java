package quern.data.internal;

import java.util.Arrays;

/** The best segmentation of a word; of equal ones that with the longest last piece. For one thread. */
final class UnigramViterbi {
    private final int[] symbols;
    private final UnigramPasses.Model model;
    private double[] best = new double[64];
    private int[] from = new int[64];
    private int[] by = new int[64];
    private int[] pieces = new int[64];
    private double score;

    UnigramViterbi(int[] symbols, UnigramPasses.Model model) {
        this.symbols = symbols;
        this.model = model;
    }

    /**
     * Segments; gives the number of pieces.
     *
     * @param inParts whether the whole word as one piece is out of the question; 0 pieces if nothing else is left
     */
    int segment(int start, int length, boolean inParts) {
        reserve(length);
        Arrays.fill(best, 1, length + 1, Double.NEGATIVE_INFINITY);
        best[0] = 0;
        PieceTrie trie = model.trie();
        double[] scores = model.score();
        for (int i = 0; i < length; i++) {
            double here = best[i];
            int node = trie.root(symbols[start + i]);
            if (node == 0 || trie.piece(node) < 0) {
                reach(i, i + 1, 0, here + model.unknown());
            }
            for (int end = i + 1; node > 0; end++) {
                int piece = trie.piece(node);
                if (piece >= 0 && !(inParts && i == 0 && end == length)) {
                    reach(i, end, piece, here + scores[piece]);
                }
                node = end < length ? trie.child(node, symbols[start + end]) : 0;
            }
        }
        score = best[length];
        if (score == Double.NEGATIVE_INFINITY) {
            return 0;
        }
        int count = 0;
        for (int at = length; at > 0; at = from[at]) {
            pieces[count++] = by[at];
        }
        return count;
    }

    private void reach(int begin, int end, int piece, double sum) {
        if (sum > best[end]) {
            best[end] = sum;
            from[end] = begin;
            by[end] = piece;
        }
    }

    /** A piece of the last segmentation, counted from its end; 0 is an unknown character. */
    int piece(int index) {
        return pieces[index];
    }

    /** The log-probability of the last segmentation. */
    double score() {
        return score;
    }

    private void reserve(int length) {
        if (length + 1 > best.length) {
            int size = Math.max(length + 1, best.length * 2);
            best = new double[size];
            from = new int[size];
            by = new int[size];
            pieces = new int[size];
        }
    }
}
