package quern.data.dedup.internal;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.function.Supplier;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Deduplication;

/** Reads a corpus once with several threads and hands on what they make of its documents, in order. */
public final class CorpusPass {
    private static final int BATCH_DOCUMENTS = 64;
    private static final int BATCH_CHARACTERS = 1 << 18;

    private CorpusPass() {}

    /** Takes what was made of a document. */
    public interface Sink<T> {
        /** In the order of the corpus, by one thread. */
        void take(long index, CorpusDocument document, T made);
    }

    private record Made<T>(CorpusDocument document, T value) {}

    /**
     * One pass.
     *
     * @param worker gives a function for each piece of work, which need not be safe for several threads
     */
    public static <T> void run(
            Deduplication.Corpus corpus,
            Deduplication.Context context,
            String what,
            Supplier<Function<CorpusDocument, T>> worker,
            Sink<T> sink) {
        int threads = Math.max(1, context.threads());
        Meter meter = new Meter(context, what, corpus.count());
        ArrayDeque<Future<List<Made<T>>>> ahead = new ArrayDeque<>();
        ThreadLocal<Function<CorpusDocument, T>> local = ThreadLocal.withInitial(worker);
        long index = 0;
        try (ExecutorService pool = Executors.newFixedThreadPool(threads);
                Deduplication.Corpus.Cursor cursor = corpus.open()) {
            try {
                boolean more = true;
                while (more || !ahead.isEmpty()) {
                    while (more && ahead.size() < 2 * threads) {
                        List<CorpusDocument> batch = new ArrayList<>();
                        more = read(cursor, batch);
                        ahead.add(pool.submit(() -> make(batch, local.get())));
                    }
                    for (Made<T> made : get(ahead.remove())) {
                        sink.take(index++, made.document, made.value);
                    }
                    meter.at(index);
                }
            } finally {
                pool.shutdownNow();
            }
        }
    }

    private static boolean read(Deduplication.Corpus.Cursor cursor, List<CorpusDocument> batch) {
        long characters = 0;
        while (batch.size() < BATCH_DOCUMENTS && characters < BATCH_CHARACTERS) {
            CorpusDocument document = cursor.next();
            if (document == null) {
                return false;
            }
            batch.add(document);
            characters += document.text().length();
        }
        return true;
    }

    private static <T> List<Made<T>> make(List<CorpusDocument> batch, Function<CorpusDocument, T> function) {
        List<Made<T>> made = new ArrayList<>(batch.size());
        for (CorpusDocument document : batch) {
            made.add(new Made<>(document, function.apply(document)));
        }
        return made;
    }

    private static <T> T get(Future<T> future) {
        try {
            return future.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while reading a corpus", e);
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case RuntimeException cause -> throw cause;
                case Error cause -> throw cause;
                default -> throw new IllegalStateException(e.getCause());
            }
        }
    }

    /** Tells how far a pass is, about once a second. */
    private static final class Meter {
        private static final long EVERY_NANOS = 1_000_000_000L;

        private final Deduplication.Context context;
        private final String what;
        private final long count;
        private long next = System.nanoTime() + EVERY_NANOS;

        Meter(Deduplication.Context context, String what, long count) {
            this.context = context;
            this.what = what;
            this.count = count;
        }

        void at(long index) {
            long now = System.nanoTime();
            if (now >= next) {
                next = now + EVERY_NANOS;
                context.progress().accept("%s: %d of %d documents".formatted(what, index, count));
            }
        }
    }
}
