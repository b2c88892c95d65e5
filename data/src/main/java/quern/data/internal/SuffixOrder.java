package quern.data.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveAction;

/**
 * Suffixes of a text's words in order of their first symbols, as many as matter (a suffix array, Manber and Myers 1993, cut
 * off at a depth): counted by their first symbol, then sorted by three-way radix quicksort (Bentley and Sedgewick 1997).
 * Suffixes that agree up to the depth or up to their word's end are in any order.
 */
final class SuffixOrder {
    private static final int SMALL = 12;
    private static final int ALONE = 1 << 14;

    private final int[] symbols;
    private final int depth;
    private final int[] places;

    private SuffixOrder(int[] symbols, int depth, int[] places) {
        this.symbols = symbols;
        this.depth = depth;
        this.places = places;
    }

    /**
     * Sorts.
     *
     * @param depth symbols that are compared
     * @return where each suffix begins, the words' ends left out
     */
    static int[] of(SymbolText text, int depth, int threads) {
        int[] symbols = text.symbols();
        int[] ends = new int[text.alphabet().length + 1];
        for (int symbol : symbols) {
            ends[symbol + 1]++;
        }
        // Nothing begins at a word's end.
        ends[1] = 0;
        for (int s = 1; s < ends.length; s++) {
            ends[s] += ends[s - 1];
        }
        int[] places = new int[ends[ends.length - 1]];
        int[] next = ends.clone();
        for (int i = 0; i < symbols.length; i++) {
            if (symbols[i] != 0) {
                places[next[symbols[i]]++] = i;
            }
        }
        SuffixOrder order = new SuffixOrder(symbols, depth, places);
        try (ForkJoinPool pool = new ForkJoinPool(threads)) {
            pool.invoke(order.new Symbols(ends));
        }
        return places;
    }

    /** Sorts the suffixes of each first symbol. */
    private final class Symbols extends RecursiveAction {
        private static final long serialVersionUID = 1;

        private final int[] ends;

        Symbols(int[] ends) {
            this.ends = ends;
        }

        @Override
        protected void compute() {
            List<Range> all = new ArrayList<>();
            for (int s = 1; s + 1 < ends.length; s++) {
                all.add(new Range(ends[s], ends[s + 1], 1));
            }
            invokeAll(all);
        }
    }

    private final class Range extends RecursiveAction {
        private static final long serialVersionUID = 1;

        private final int from;
        private final int to;
        private final int at;

        Range(int from, int to, int at) {
            this.from = from;
            this.to = to;
            this.at = at;
        }

        @Override
        protected void compute() {
            if (to - from <= ALONE) {
                sort(from, to, at);
            } else if (at < depth) {
                int pivot = median(from, to, at);
                long parts = partition(from, to, at, pivot);
                int less = (int) (parts >>> 32);
                int more = (int) parts;
                Range before = new Range(from, less, at);
                Range after = new Range(more, to, at);
                if (pivot == 0) {
                    invokeAll(before, after);
                } else {
                    invokeAll(before, new Range(less, more, at + 1), after);
                }
            }
        }
    }

    private void sort(int first, int last, int begin) {
        int from = first;
        int to = last;
        int at = begin;
        while (to - from > SMALL) {
            if (at >= depth) {
                return;
            }
            int pivot = median(from, to, at);
            long parts = partition(from, to, at, pivot);
            int less = (int) (parts >>> 32);
            int more = (int) parts;
            sort(from, less, at);
            sort(more, to, at);
            if (pivot == 0) {
                return;
            }
            from = less;
            to = more;
            at++;
        }
        insert(from, to, at);
    }

    /** Smaller symbols first, greater ones last; where those equal to the pivot begin (upper half) and end (lower half). */
    private long partition(int from, int to, int at, int pivot) {
        int less = from;
        int more = to - 1;
        for (int i = from; i <= more; ) {
            int symbol = symbols[places[i] + at];
            if (symbol < pivot) {
                swap(less++, i++);
            } else if (symbol > pivot) {
                swap(i, more--);
            } else {
                i++;
            }
        }
        return (long) less << 32 | (more + 1);
    }

    private int median(int from, int to, int at) {
        int a = symbols[places[from] + at];
        int b = symbols[places[(from + to) >>> 1] + at];
        int c = symbols[places[to - 1] + at];
        return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
    }

    private void swap(int a, int b) {
        int place = places[a];
        places[a] = places[b];
        places[b] = place;
    }

    private void insert(int from, int to, int at) {
        for (int i = from + 1; i < to; i++) {
            int place = places[i];
            int j = i;
            while (j > from && less(place, places[j - 1], at)) {
                places[j] = places[j - 1];
                j--;
            }
            places[j] = place;
        }
    }

    private boolean less(int a, int b, int begin) {
        for (int at = begin; at < depth; at++) {
            int left = symbols[a + at];
            int right = symbols[b + at];
            if (left != right) {
                return left < right;
            }
            if (left == 0) {
                return false;
            }
        }
        return false;
    }
}
