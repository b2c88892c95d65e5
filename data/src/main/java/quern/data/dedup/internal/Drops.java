package quern.data.dedup.internal;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.TreeMap;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Deduplication;
import quern.data.corpus.Verdict;

/**
 * Which documents of a corpus fall away, and for which: filled cluster by cluster, then asked document by document. Holds a
 * given amount of memory, the rest on disk.
 */
public final class Drops implements Deduplication.Decisions {
    private static final int EXAMPLES = 10;
    private static final int EXAMPLE_MEMBERS = 5;

    private final String reason;
    private final BlobFile ids;
    private final RecordSorter dropped;
    private final PriorityQueue<Example> largest = new PriorityQueue<>(
            Comparator.comparingLong(Example::size).thenComparing(Example::kept, Comparator.reverseOrder()));
    private final Map<String, Long> totals = new TreeMap<>();
    private RecordSorter.Cursor cursor;
    private final long[] head = new long[2];
    private boolean more;
    private long kept = -1;
    private long members;
    private long clusters;
    private final List<Long> some = new ArrayList<>();

    private record Example(long kept, List<Long> dropped, long size) {}

    /**
     * @param reason for the verdicts
     * @param ids of all documents, closed with this
     * @param folder for spills
     * @param memoryBytes to use
     */
    public Drops(String reason, BlobFile ids, Path folder, long memoryBytes) {
        this.reason = reason;
        this.ids = ids;
        this.dropped = new RecordSorter(folder, "dropped", 2, memoryBytes);
    }

    /** Begins a cluster: the document that stays. */
    public void begin(long index) {
        end();
        kept = index;
        members = 1;
    }

    /** Adds one to the cluster that falls away. */
    public void drop(long index) {
        dropped.add(new long[] {index, kept});
        members++;
        if (some.size() < EXAMPLE_MEMBERS) {
            some.add(index);
        }
    }

    private void end() {
        if (members > 1) {
            clusters++;
            largest.add(new Example(kept, List.copyOf(some), members));
            if (largest.size() > EXAMPLES) {
                largest.poll();
            }
        }
        some.clear();
        members = 0;
    }

    /** Puts a number among the totals. */
    public void total(String name, long value) {
        totals.put(name, value);
    }

    /** Ends the filling. */
    public Drops sealed() {
        end();
        total("clusters", clusters);
        cursor = dropped.sorted();
        more = cursor.next(head);
        return this;
    }

    @Override
    public Verdict judge(long index, CorpusDocument document) {
        if (!more || head[0] != index) {
            return Verdict.KEEP;
        }
        Verdict verdict = Verdict.drop(reason, "as " + ids.text(head[1]));
        more = cursor.next(head);
        return verdict;
    }

    @Override
    public Map<String, Long> totals() {
        return Map.copyOf(totals);
    }

    @Override
    public List<Deduplication.Cluster> examples() {
        return largest.stream()
                .sorted(largest.comparator().reversed())
                .map(e -> new Deduplication.Cluster(
                        ids.text(e.kept), e.dropped.stream().map(ids::text).toList(), e.size))
                .toList();
    }

    @Override
    public void close() {
        try (ids;
                dropped) {
            if (cursor != null) {
                cursor.close();
            }
        }
    }
}
