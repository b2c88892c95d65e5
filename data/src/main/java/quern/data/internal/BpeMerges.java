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
    private final String continuingPrefix;
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
     * Starts from the vocabulary so far, which holds every symbol of the words.
     *
     * @param vocabulary tokens by id; grows by what {@link #run} learns
     * @param words symbols of each distinct word, as ids; changed by {@link #run}
     * @param wordCounts how often each word occurs
     * @param continuingPrefix what a symbol inside a word begins with, and a merged token has only once; may be empty
     */
    BpeMerges(List<String> vocabulary, int[][] words, long[] wordCounts, String continuingPrefix) {
        this.vocabulary = vocabulary;
        for (int id = 0; id < vocabulary.size(); id++) {
            ids.put(vocabulary.get(id), id);
        }
        this.words = words;
        this.wordCounts = wordCounts;
        this.continuingPrefix = continuingPrefix;
        lengths = new int[words.length];
        for (int w = 0; w < words.length; w++) {
            lengths[w] = words[w].length;
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
        String joined =
                left + (right.startsWith(continuingPrefix) ? right.substring(continuingPrefix.length()) : right);
        Integer known = ids.get(joined);
        int id = known != null ? known : vocabulary.size();
        if (known == null) {
            vocabulary.add(joined);
            ids.put(joined, id);
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
