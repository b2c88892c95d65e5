package quern.data.internal;

import java.util.Arrays;

/**
 * Forward and backward sums over all segmentations of a word (Kudo 2018). Probabilities shrink with each piece; where a sum
 * becomes very small, it and those within a piece's reach are scaled up and the scaling is remembered. For one thread.
 */
final class UnigramMarginals {
    private static final double SMALL = 0x1p-400;
    private static final int SHIFT = 400;

    private final int[] symbols;
    private final PieceTrie trie;
    private final double[] probability;
    private double[] forward = new double[64];
    private double[] backward = new double[64];
    private int[] forwardShift = new int[64];
    private int[] firstEdge = new int[64];
    private int[] edgePiece = new int[256];
    private int[] edgeEnd = new int[256];

    UnigramMarginals(int[] symbols, PieceTrie trie, double[] probability) {
        this.symbols = symbols;
        this.trie = trie;
        this.probability = probability;
    }

    /** Adds to {@code sums}, rounded, how often each piece is to be expected in a word that occurs {@code times} times. */
    void add(int start, int length, double times, long[] sums) {
        reserve(length);
        int edges = forward(start, length);
        firstEdge[length] = edges;
        Arrays.fill(backward, 0, length, 0);
        backward[length] = 1;
        int shift = 0;
        double whole = forward[length];
        for (int i = length - 1; i >= 0; i--) {
            double before = Math.scalb(forward[i] / whole, (forwardShift[length] - forwardShift[i] - shift) * SHIFT);
            double sum = 0;
            for (int e = firstEdge[i]; e < firstEdge[i + 1]; e++) {
                double after = probability[edgePiece[e]] * backward[edgeEnd[e]];
                sum += after;
                sums[edgePiece[e]] += Math.round(before * after * times);
            }
            backward[i] = sum;
            if (sum < SMALL) {
                shift++;
                scale(backward, i, length);
            }
        }
    }

    private int forward(int start, int length) {
        Arrays.fill(forward, 0, length + 1, 0);
        forward[0] = 1;
        int shift = 0;
        int edges = 0;
        for (int i = 0; i < length; i++) {
            if (forward[i] < SMALL) {
                shift++;
                scale(forward, i, length);
            }
            forwardShift[i] = shift;
            firstEdge[i] = edges;
            double here = forward[i];
            int node = trie.root(symbols[start + i]);
            boolean single = node > 0 && trie.piece(node) >= 0;
            if (!single) {
                edges = edge(edges, 0, i + 1, here);
            }
            for (int end = i + 1; node > 0; end++) {
                int piece = trie.piece(node);
                if (piece >= 0) {
                    edges = edge(edges, piece, end, here);
                }
                node = end < length ? trie.child(node, symbols[start + end]) : 0;
            }
        }
        forwardShift[length] = shift;
        return edges;
    }

    private int edge(int edges, int piece, int end, double here) {
        if (edges == edgePiece.length) {
            edgePiece = Arrays.copyOf(edgePiece, edges * 2);
            edgeEnd = Arrays.copyOf(edgeEnd, edges * 2);
        }
        edgePiece[edges] = piece;
        edgeEnd[edges] = end;
        forward[end] += here * probability[piece];
        return edges + 1;
    }

    private static void scale(double[] sums, int from, int length) {
        for (int i = from; i <= Math.min(length, from + SymbolText.LONGEST_PIECE); i++) {
            sums[i] = Math.scalb(sums[i], SHIFT);
        }
    }

    private void reserve(int length) {
        if (length + 1 > forward.length) {
            int size = Math.max(length + 1, forward.length * 2);
            forward = new double[size];
            backward = new double[size];
            forwardShift = new int[size];
            firstEdge = new int[size];
        }
    }
}
