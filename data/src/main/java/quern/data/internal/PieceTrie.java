package quern.data.internal;

import java.util.Arrays;

/**
 * Pieces as a tree of symbols, its nodes numbered level by level, so that a node's children lie side by side in order of
 * their symbols. A node with many children has a table of them by symbol, unless their symbols are far apart.
 */
final class PieceTrie {
    private static final int FEW = 4;

    /** Table entries for each child at most. */
    private static final int WIDEST = 16;

    private static final int NO_TABLE = Integer.MIN_VALUE;

    private int[] symbol = new int[1 << 10];
    private int[] firstChild = new int[1 << 10];
    private int[] piece = new int[1 << 10];
    private final int[] rootChild;
    /** Where a node's table begins, less its first symbol; {@link #NO_TABLE} where it has none. */
    private final int[] tableAt;

    private int[] table = new int[1 << 10];
    private int size = 1;

    /**
     * Builds the tree.
     *
     * @param text what the pieces are parts of
     * @param sorted pieces in order of their symbols, as numbers into the next two
     * @param count how many of {@code sorted} there are
     * @param from where a piece begins in the text
     * @param length symbols of a piece
     * @param ids what to call each piece
     */
    PieceTrie(SymbolText text, int[] sorted, int count, int[] from, int[] length, int[] ids) {
        int[] symbols = text.symbols();
        // For the nodes of a level: the range of pieces below each.
        int[] low = {0};
        int[] high = {count};
        int nodes = 1;
        int node = 0;
        for (int depth = 0; nodes > 0; depth++) {
            int[] nextLow = new int[16];
            int[] nextHigh = new int[16];
            int children = 0;
            for (int n = 0; n < nodes; n++, node++) {
                int at = low[n];
                int end = high[n];
                piece[node] = -1;
                if (at < end && length[sorted[at]] == depth) {
                    piece[node] = ids[sorted[at++]];
                }
                firstChild[node] = size;
                while (at < end) {
                    int begin = at;
                    int label = symbols[from[sorted[at]] + depth];
                    while (at < end && symbols[from[sorted[at]] + depth] == label) {
                        at++;
                    }
                    if (children == nextLow.length) {
                        nextLow = Arrays.copyOf(nextLow, children * 2);
                        nextHigh = Arrays.copyOf(nextHigh, children * 2);
                    }
                    nextLow[children] = begin;
                    nextHigh[children++] = at;
                    reserve();
                    symbol[size++] = label;
                }
            }
            low = nextLow;
            high = nextHigh;
            nodes = children;
        }
        reserve();
        firstChild[size] = size;
        rootChild = new int[text.alphabet().length];
        for (int child = firstChild[0]; child < firstChild[1]; child++) {
            rootChild[symbol[child]] = child;
        }
        tableAt = new int[size];
        Arrays.fill(tableAt, NO_TABLE);
        int used = 0;
        for (int n = 1; n < size; n++) {
            used = tabulate(n, used);
        }
    }

    private int tabulate(int node, int used) {
        int low = firstChild[node];
        int high = firstChild[node + 1];
        if (high - low <= FEW) {
            return used;
        }
        int first = symbol[low];
        int width = symbol[high - 1] - first + 1;
        if (width > WIDEST * (high - low)) {
            return used;
        }
        if (used + width > table.length) {
            table = Arrays.copyOf(table, Math.max(used + width, table.length * 2));
        }
        tableAt[node] = used - first;
        for (int child = low; child < high; child++) {
            table[used + symbol[child] - first] = child;
        }
        return used + width;
    }

    private void reserve() {
        if (size + 2 > symbol.length) {
            symbol = Arrays.copyOf(symbol, size * 2);
            firstChild = Arrays.copyOf(firstChild, size * 2);
            piece = Arrays.copyOf(piece, size * 2);
        }
    }

    /** The node below the root for a symbol, or 0. */
    int root(int label) {
        return rootChild[label];
    }

    /** The node below a node for a symbol, or 0. */
    int child(int node, int label) {
        int low = firstChild[node];
        int high = firstChild[node + 1];
        if (high - low <= FEW) {
            for (int i = low; i < high; i++) {
                if (symbol[i] == label) {
                    return i;
                }
            }
            return 0;
        }
        if (tableAt[node] != NO_TABLE) {
            return label < symbol[low] || label > symbol[high - 1] ? 0 : table[tableAt[node] + label];
        }
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (symbol[middle] < label) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low < firstChild[node + 1] && symbol[low] == label ? low : 0;
    }

    /** The piece that ends at a node, or -1. */
    int piece(int node) {
        return piece[node];
    }
}
