package quern.data.internal;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Counts distinct pre-tokens with all cores, reading the documents once. */
final class WordCounts {
    /** Characters handed to a worker at a time. */
    private static final int BATCH = 1 << 18;

    private WordCounts() {}

    /** A pre-token's UTF-8 bytes and how often it occurs. */
    record Word(byte[] bytes, long count) {}

    private static final class Counter {
        long n;
    }

    static List<Word> count(Iterable<String> documents) {
        int workers = Runtime.getRuntime().availableProcessors();
        Map<String, Counter> total = new HashMap<>();
        ExecutorService pool = Executors.newFixedThreadPool(workers);
        try {
            List<Future<Map<String, Counter>>> running = new ArrayList<>();
            List<String> batch = new ArrayList<>();
            int size = 0;
            for (String document : documents) {
                batch.add(document);
                size += document.length();
                if (size >= BATCH) {
                    running.add(pool.submit(job(batch)));
                    batch = new ArrayList<>();
                    size = 0;
                    if (running.size() > 2 * workers) {
                        add(total, running.removeFirst());
                    }
                }
            }
            running.add(pool.submit(job(batch)));
            for (Future<Map<String, Counter>> future : running) {
                add(total, future);
            }
        } finally {
            pool.shutdownNow();
        }
        List<Word> words = new ArrayList<>(total.size());
        total.forEach((word, counter) -> words.add(new Word(word.getBytes(StandardCharsets.UTF_8), counter.n)));
        return words;
    }

    private static Callable<Map<String, Counter>> job(List<String> batch) {
        return () -> {
            Map<String, Counter> counts = new HashMap<>(1 << 14);
            for (String document : batch) {
                PreTokens.split(
                        document,
                        (text, from, to) -> counts.computeIfAbsent(
                                        text.subSequence(from, to).toString(), w -> new Counter())
                                .n++);
            }
            return counts;
        };
    }

    private static void add(Map<String, Counter> total, Future<Map<String, Counter>> future) {
        try {
            future.get().forEach((word, counter) -> total.computeIfAbsent(word, w -> new Counter()).n += counter.n);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while counting words", e);
        }
    }
}
