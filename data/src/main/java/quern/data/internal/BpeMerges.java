package quern.data.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import quern.data.TokenizerJson.Merge;

/**
 * The merge loop of byte-pair encoding (Sennrich, Haddow and Birch 2016) with incremental pair counts: a merge visits
 * only the words that hold the pair and corrects the counts of its neighbours.
 *
 * <p>Counts follow the reference trainer in every detail, since equal vocabularies depend on them: the pairs of a run
 * such as {@code aaa} are counted where they overlap; a candidate keeps the words known when it was formed; one whose
 * count has changed returns to the queue with the new count before it may be chosen.
 */
final class BpeMerges {
    private final List<String> vocabulary;
    private final Map<String, Integer> ids = new HashMap<>();
    private final PairIndex pairs = new PairIndex();
    private long[] counts = new long[1 << 12];
    private Candidate[] forming = new Candidate[1 << 12];
    private final List<Candidate> formed = new ArrayList<>();
    private final PriorityQueue<Candidate> queue = new PriorityQueue<>();
    private final int[][] words;
    private final int[] lengths;
    private final long[] wordCounts;
    private final Map<Merge, Boolean> merges = new LinkedHashMap<>();

    /** A pair that may be merged, with the words that held it when it was formed. */
    private static final class Candidate implements Comparable<Candidate> {
        final int left;
        final int right;
        final int pair;
        long count;
        int[] places = new int[4];
        int size;

        Candidate(int left, int right, int pair) {
            this.left = left;
            this.right = right;
            this.pair = pair;
        }

        void add(int word) {
            // Words are visited one after the other, so a repeated one is the last.
            if (size > 0 && places[size - 1] == word) {
                return;
            }
            if (size == places.length) {
                places = Arrays.copyOf(places, size * 2);
            }
            places[size++] = word;
        }

        @Override
        public int compareTo(Candidate other) {
            int order = Long.compare(other.count, count);
            if (order == 0) {
                order = Integer.compare(left, other.left);
            }
            return order == 0 ? Integer.compare(right, other.right) : order;
        }
    }

    /**
     * Starts from the vocabulary so far, which holds every byte symbol.
     *
     * @param vocabulary tokens by id; grows by what {@link #run} learns
     */
    BpeMerges(List<String> vocabulary, List<WordCounts.Word> counted) {
        this.vocabulary = vocabulary;
        for (int id = 0; id < vocabulary.size(); id++) {
            ids.put(vocabulary.get(id), id);
        }
        int[] byteIds = new int[256];
        for (int b = 0; b < 256; b++) {
            byteIds[b] = ids.get(String.valueOf(ByteSymbols.symbol(b)));
        }
        words = new int[counted.size()][];
        lengths = new int[counted.size()];
        wordCounts = new long[counted.size()];
        for (int w = 0; w < words.length; w++) {
            byte[] bytes = counted.get(w).bytes();
            int[] symbols = new int[bytes.length];
            for (int i = 0; i < bytes.length; i++) {
                symbols[i] = byteIds[bytes[i] & 0xff];
            }
            words[w] = symbols;
            lengths[w] = symbols.length;
            wordCounts[w] = counted.get(w).count();
        }
    }

    /** Merges until the vocabulary is full or no pair is frequent enough; the merges in order. */
    List<Merge> run(int vocabularySize, long minFrequency) {
        for (int w = 0; w < words.length; w++) {
            for (int i = 0; i + 1 < lengths[w]; i++) {
                change(words[w][i], words[w][i + 1], wordCounts[w], w);
            }
        }
        enqueueFormed();
        while (vocabulary.size() < vocabularySize && !queue.isEmpty()) {
            Candidate top = queue.poll();
            if (top.count != counts[top.pair]) {
                top.count = counts[top.pair];
                queue.add(top);
                continue;
            }
            if (top.count < 1 || top.count < minFrequency) {
                break;
            }
            merge(top);
        }
        return List.copyOf(merges.keySet());
    }

    private void merge(Candidate top) {
        String left = vocabulary.get(top.left);
        String right = vocabulary.get(top.right);
        Integer known = ids.get(left + right);
        int id = known != null ? known : vocabulary.size();
        if (known == null) {
            vocabulary.add(left + right);
            ids.put(left + right, id);
        }
        // A pair learned twice ranks where it was learned last.
        Merge merge = new Merge(left, right);
        merges.remove(merge);
        merges.put(merge, true);
        for (int p = 0; p < top.size; p++) {
            mergeIn(top.places[p], top.left, top.right, id);
        }
        enqueueFormed();
    }

    private void mergeIn(int word, int left, int right, int id) {
        int[] symbols = words[word];
        int length = lengths[word];
        long count = wordCounts[word];
        int to = 0;
        for (int from = 0; from < length; ) {
            if (symbols[from] != left || from + 1 >= length || symbols[from + 1] != right) {
                symbols[to++] = symbols[from++];
                continue;
            }
            if (to > 0) {
                change(symbols[to - 1], left, -count, word);
                change(symbols[to - 1], id, count, word);
            }
            if (from + 2 < length) {
                change(right, symbols[from + 2], -count, word);
                change(id, symbols[from + 2], count, word);
            }
            symbols[to++] = id;
            from += 2;
        }
        lengths[word] = to;
    }

    private void change(int left, int right, long by, int word) {
        int pair = pairs.index(left, right);
        if (pair >= counts.length) {
            counts = Arrays.copyOf(counts, counts.length * 2);
            forming = Arrays.copyOf(forming, forming.length * 2);
        }
        counts[pair] += by;
        if (by > 0) {
            Candidate candidate = forming[pair];
            if (candidate == null) {
                candidate = new Candidate(left, right, pair);
                forming[pair] = candidate;
                formed.add(candidate);
            }
            candidate.add(word);
        }
    }

    private void enqueueFormed() {
        for (Candidate candidate : formed) {
            forming[candidate.pair] = null;
            candidate.count = counts[candidate.pair];
            if (candidate.count > 0) {
                candidate.places = Arrays.copyOf(candidate.places, candidate.size);
                queue.add(candidate);
            }
        }
        formed.clear();
    }
}
