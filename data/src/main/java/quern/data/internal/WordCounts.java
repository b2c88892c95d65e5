package quern.data.internal;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import quern.recipe.QuernException;

/** Counts distinct words with several threads, reading the documents once. */
final class WordCounts {
    /** Characters handed to a worker at a time. */
    private static final int BATCH = 1 << 18;

    private WordCounts() {}

    /** Cuts a document into words; for one thread at a time. */
    interface Splitter {
        void split(String document, PreTokens.Sink sink);
    }

    /**
     * The words of the documents; their order depends on how the work was shared.
     *
     * @param splitters makes a splitter for a thread
     * @throws QuernException when there is no word at all
     */
    static WordTable count(Iterable<String> documents, Supplier<Splitter> splitters, int threads) {
        ConcurrentLinkedQueue<Worker> idle = new ConcurrentLinkedQueue<>();
        List<Worker> workers = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            workers.add(new Worker(splitters.get(), new WordTable()));
        }
        idle.addAll(workers);
        try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            try {
                read(documents, pool, idle, threads);
            } catch (Throwable e) {
                pool.shutdownNow();
                throw e;
            }
        }
        WordTable total = workers.getFirst().table;
        for (Worker worker : workers.subList(1, workers.size())) {
            total.addAll(worker.table);
        }
        if (total.size() == 0) {
            throw QuernException.badInput(
                    "tokenizer: the text is empty or holds nothing that a tokenizer can learn; give it some text");
        }
        return total;
    }

    private static void read(
            Iterable<String> documents, ExecutorService pool, ConcurrentLinkedQueue<Worker> idle, int threads) {
        ArrayDeque<Future<?>> running = new ArrayDeque<>();
        List<String> batch = new ArrayList<>();
        int size = 0;
        for (String document : documents) {
            batch.add(document);
            size += document.length();
            if (size >= BATCH) {
                List<String> full = batch;
                running.add(pool.submit(() -> work(full, idle)));
                batch = new ArrayList<>();
                size = 0;
                if (running.size() > 2 * threads) {
                    await(running.removeFirst());
                }
            }
        }
        List<String> last = batch;
        running.add(pool.submit(() -> work(last, idle)));
        running.forEach(WordCounts::await);
    }

    private static void work(List<String> batch, ConcurrentLinkedQueue<Worker> idle) {
        // As many workers as threads: one is always idle here.
        Worker worker = idle.remove();
        try {
            for (String document : batch) {
                worker.splitter.split(document, worker);
            }
        } finally {
            idle.add(worker);
        }
    }

    private record Worker(Splitter splitter, WordTable table) implements PreTokens.Sink {
        @Override
        public void accept(CharSequence text, int from, int to) {
            table.add(text, from, to, 1);
        }
    }

    private static void await(Future<?> future) {
        try {
            future.get();
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
