package quern.data.dedup.internal;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Deduplication;
import quern.data.corpus.Verdict;
import quern.data.dedup.Lines;

/** Which lines of which documents fall away: filled in any order, then asked document by document. */
public final class RepeatedLines implements Deduplication.Decisions {
    private final String reason;
    private final RecordSorter places;
    private RecordSorter.Cursor cursor;
    private final long[] head = new long[1];
    private boolean more;
    private long compared;

    /**
     * @param reason for the verdicts
     * @param folder for spills
     * @param memoryBytes to use
     */
    public RepeatedLines(String reason, Path folder, long memoryBytes) {
        this.reason = reason;
        this.places = new RecordSorter(folder, "lines", 1, memoryBytes);
    }

    /** A document and a line of it in one number, which sorts as they do; for fewer than 2^31 documents. */
    public static long place(long document, int line) {
        return (long) Math.toIntExact(document) << 32 | line;
    }

    /** A line that falls away. */
    public void add(long place) {
        places.add(new long[] {place});
    }

    /** Ends the filling. */
    public RepeatedLines sealed(long lines) {
        compared = lines;
        cursor = places.sorted();
        more = cursor.next(head);
        return this;
    }

    @Override
    public Verdict judge(long index, CorpusDocument document) {
        int[] lines = new int[8];
        int count = 0;
        while (more && head[0] >>> 32 == index) {
            if (count == lines.length) {
                lines = Arrays.copyOf(lines, 2 * count);
            }
            lines[count++] = (int) head[0];
            more = cursor.next(head);
        }
        return Lines.verdict(reason, document, Arrays.copyOf(lines, count));
    }

    @Override
    public Map<String, Long> totals() {
        return Map.of("lines_compared", compared, "lines_removed", places.size());
    }

    @Override
    public List<Deduplication.Cluster> examples() {
        return List.of();
    }

    @Override
    public void close() {
        try (places) {
            if (cursor != null) {
                cursor.close();
            }
        }
    }
}
