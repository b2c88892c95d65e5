package quern.data.dedup;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Deduplication;
import quern.data.corpus.Verdict;

/** A corpus made on the fly, and what a technique leaves of it. */
record MemoryCorpus(int size, IntFunction<String> texts) implements Deduplication.Corpus {
    static final long PLENTY = 64L << 20;
    /** So little that every sorter spills many times. */
    static final long SCARCE = 1L << 17;

    static MemoryCorpus of(String... texts) {
        return new MemoryCorpus(texts.length, i -> texts[i]);
    }

    @Override
    public long count() {
        return size;
    }

    CorpusDocument document(int index) {
        return new CorpusDocument("d" + index, "memory", texts.apply(index));
    }

    @Override
    public Cursor open() {
        return new Cursor() {
            private int next;

            @Override
            public CorpusDocument next() {
                return next < size ? document(next++) : null;
            }

            @Override
            public void close() {
                next = size;
            }
        };
    }

    /** The verdicts, and what was said of them. */
    record Outcome(List<Verdict> verdicts, java.util.Map<String, Long> totals, List<Deduplication.Cluster> examples) {
        List<Integer> dropped() {
            List<Integer> dropped = new ArrayList<>();
            for (int i = 0; i < verdicts.size(); i++) {
                if (verdicts.get(i) instanceof Verdict.Drop) {
                    dropped.add(i);
                }
            }
            return dropped;
        }
    }

    Outcome judgedBy(Deduplication technique, Record config, Path scratch, int threads, long memory) {
        Deduplication.Context context = new Deduplication.Context(scratch, memory, threads, line -> {});
        try (Deduplication.Decisions decisions = technique.decide(this, config, context)) {
            List<Verdict> verdicts = new ArrayList<>();
            for (int i = 0; i < size; i++) {
                verdicts.add(decisions.judge(i, document(i)));
            }
            return new Outcome(verdicts, decisions.totals(), decisions.examples());
        }
    }
}
