package quern.data.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/**
 * Passes over all words with a unigram model as it is: how often each piece is to be expected, how often each is in the
 * best segmentation. Threads take blocks of words as they come; sums are whole numbers, so they are the same for any number of
 * threads and any order of words.
 */
final class UnigramPasses {
    private static final int BLOCK = 512;

    private final SymbolText text;
    private final ExecutorService pool;
    private final int threads;
    private final int fractionBits;

    UnigramPasses(SymbolText text, ExecutorService pool, int threads) {
        this.text = text;
        this.pool = pool;
        this.threads = threads;
        long symbols = 1;
        for (int w = 0; w < text.words(); w++) {
            symbols += (long) text.length(w) * text.counts()[w];
        }
        // No piece can be expected more often than there are characters.
        this.fractionBits = Math.min(40, Long.numberOfLeadingZeros(symbols) - 2);
    }

    /** One model: its pieces in a tree and their log-probabilities. */
    record Model(PieceTrie trie, double[] score, double unknown) {}

    /** How often each piece is to be expected over all segmentations of all words (the E step). */
    double[] expected(Model model) {
        double[] probability = new double[model.score.length];
        for (int i = 1; i < probability.length; i++) {
            probability[i] = StrictMath.exp(model.score[i]);
        }
        probability[0] = StrictMath.exp(model.unknown);
        double unit = Math.scalb(1.0, fractionBits);
        long[] sums = sum(probability.length, () -> {
            UnigramMarginals marginals = new UnigramMarginals(text.symbols(), model.trie, probability);
            return (w, own) -> marginals.add(text.starts()[w], text.length(w), text.counts()[w] * unit, own);
        });
        double[] expected = new double[sums.length];
        for (int i = 0; i < sums.length; i++) {
            expected[i] = sums[i] / unit;
        }
        return expected;
    }

    /** How often each piece is in the best segmentations. */
    long[] best(Model model) {
        return sum(model.score.length, () -> {
            UnigramViterbi viterbi = new UnigramViterbi(text.symbols(), model);
            return (w, own) -> {
                int pieces = viterbi.segment(text.starts()[w], text.length(w), false);
                for (int i = 0; i < pieces; i++) {
                    own[viterbi.piece(i)] += text.counts()[w];
                }
            };
        });
    }

    /**
     * What each piece would be spelled with if it were gone: empty where nothing else can spell it, {@code null} where
     * something else already spells it better.
     */
    int[][] alternatives(Model model, int[] from, int[] length) {
        int[][] found = new int[model.score.length][];
        AtomicInteger next = new AtomicInteger(1);
        all(() -> () -> {
            UnigramViterbi viterbi = new UnigramViterbi(text.symbols(), model);
            for (int begin = next.getAndAdd(BLOCK); begin < found.length; begin = next.getAndAdd(BLOCK)) {
                for (int id = begin; id < Math.min(found.length, begin + BLOCK); id++) {
                    int pieces = viterbi.segment(from[id], length[id], true);
                    if (pieces == 0 || viterbi.score() <= model.score[id]) {
                        found[id] = new int[pieces];
                        for (int i = 0; i < pieces; i++) {
                            found[id][i] = viterbi.piece(i);
                        }
                    }
                }
            }
            return new long[0];
        });
        return found;
    }

    /** Adds what one word gives to a worker's own sums. */
    private interface Word {
        void add(int word, long[] sums);
    }

    private long[] sum(int size, Supplier<Word> workers) {
        AtomicInteger next = new AtomicInteger();
        List<long[]> parts = all(() -> {
            Word worker = workers.get();
            return () -> {
                long[] own = new long[size];
                for (int begin = next.getAndAdd(BLOCK); begin < text.words(); begin = next.getAndAdd(BLOCK)) {
                    for (int w = begin; w < Math.min(text.words(), begin + BLOCK); w++) {
                        worker.add(w, own);
                    }
                }
                return own;
            };
        });
        long[] total = parts.getFirst();
        for (long[] part : parts.subList(1, parts.size())) {
            Arrays.setAll(total, i -> total[i] + part[i]);
        }
        return total;
    }

    private List<long[]> all(Supplier<Callable<long[]>> jobs) {
        List<Callable<long[]>> each = new ArrayList<>();
        for (int t = 0; t < threads; t++) {
            each.add(jobs.get());
        }
        List<long[]> results = new ArrayList<>();
        try {
            for (Future<long[]> done : pool.invokeAll(each)) {
                results.add(done.get());
            }
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while learning a vocabulary", e);
        }
        return results;
    }
}
