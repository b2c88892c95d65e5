package quern.spark.internal;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.StageCounter;
import quern.data.corpus.Verdict;
import scala.Tuple2;

/** One partition on its way through a first step (reading, or verdicts on duplicates) and the filters behind it. */
final class Steps implements Iterator<Tuple2<Long, String>> {
    private final First first;
    private final List<Portable.Filter> filters;
    private final List<DocumentFilter.Judge> judges = new ArrayList<>();
    private final List<StageCounter> counters = new ArrayList<>();
    private final ArrayDeque<Tuple2<Long, String>> ready = new ArrayDeque<>();
    private boolean ended;

    /** Gives documents and counts what it does. */
    interface First {
        /** The id of the technique. */
        String type();

        /** The next document that stays; null at the end. */
        Rows.Placed next(StageCounter counter);

        /** Frees what it holds. */
        default void close() {}
    }

    Steps(First first, List<Portable.Filter> filters, int examples) {
        this.first = first;
        this.filters = filters;
        TaskContext task = TaskContext.get();
        if (task != null) {
            task.addTaskCompletionListener((TaskCompletionListener) done -> close());
        }
        counters.add(new StageCounter(examples));
        for (Portable.Filter filter : filters) {
            judges.add(filter.open());
            counters.add(new StageCounter(examples));
        }
    }

    private void close() {
        first.close();
        judges.forEach(DocumentFilter.Judge::close);
        judges.clear();
    }

    @Override
    public boolean hasNext() {
        while (ready.isEmpty() && !ended) {
            Rows.Placed placed = first.next(counters.getFirst());
            if (placed == null) {
                ended = true;
                ready.add(Rows.count(0, counters.getFirst().report(first.type())));
                for (int i = 0; i < filters.size(); i++) {
                    ready.add(Rows.count(
                            i + 1, counters.get(i + 1).report(filters.get(i).id())));
                }
            } else {
                filtered(placed.document())
                        .ifPresent(document -> ready.add(new Rows.Placed(placed.place(), document).row()));
            }
        }
        return !ready.isEmpty();
    }

    private Optional<CorpusDocument> filtered(CorpusDocument document) {
        Optional<CorpusDocument> left = Optional.of(document);
        for (int i = 0; i < judges.size() && left.isPresent(); i++) {
            left = counters.get(i + 1).apply(left.get(), judges.get(i).judge(left.get()));
        }
        return left;
    }

    @Override
    public Tuple2<Long, String> next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        return ready.remove();
    }

    /** Reads the files of a partition. */
    static final class Reading implements First {
        private final List<Portable.Source> sources;
        private final int end;
        private final int examples;
        private final ArrayDeque<CorpusDocument> ready = new ArrayDeque<>();
        private int file;
        private long document;
        private CorpusReader.Records records;
        private StageCounter reading;

        Reading(List<Portable.Source> sources, int from, int end, int examples) {
            this.sources = sources;
            this.file = from;
            this.end = end;
            this.examples = examples;
        }

        @Override
        public String type() {
            return "read";
        }

        @Override
        public Rows.Placed next(StageCounter counter) {
            while (ready.isEmpty()) {
                if (records == null) {
                    if (file == end) {
                        return null;
                    }
                    reading = new StageCounter(examples);
                    records = sources.get(file).open(reading.quarantine());
                    document = 0;
                }
                CorpusReader.Raw raw = records.next();
                if (raw == null) {
                    close();
                    // What the reader itself found comes behind what its records held, as on one machine.
                    reading.bytes(sources.get(file).file().path().toFile().length());
                    counter.add(reading.report(type()));
                    file++;
                } else {
                    ready.addAll(counter.read(raw));
                }
            }
            return new Rows.Placed(FileOrder.place(file, document++), ready.remove());
        }

        @Override
        public void close() {
            if (records != null) {
                records.close();
                records = null;
            }
        }
    }

    /** Carries out the verdicts on documents that were marked. */
    static final class Judging implements First {
        private final String type;
        private final Iterator<Judged> documents;

        /** A document and what becomes of it. */
        record Judged(Rows.Placed placed, Verdict verdict) {}

        Judging(String type, Iterator<Judged> documents) {
            this.type = type;
            this.documents = documents;
        }

        @Override
        public String type() {
            return type;
        }

        @Override
        public Rows.Placed next(StageCounter counter) {
            while (documents.hasNext()) {
                Judged judged = documents.next();
                Optional<CorpusDocument> stays = counter.apply(judged.placed().document(), judged.verdict());
                if (stays.isPresent()) {
                    return new Rows.Placed(judged.placed().place(), stays.get());
                }
            }
            return null;
        }
    }
}
