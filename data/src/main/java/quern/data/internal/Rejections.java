package quern.data.internal;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Rows that were left out, counted by reason. */
public final class Rejections {
    private static final int MOST_REASONS = 20;
    private static final String OTHERS = "other reasons";

    private record Entry(long count, String first) {}

    private final Map<String, Entry> entries = new LinkedHashMap<>();
    private long rows;

    /** One row more. */
    void add(String reason, String place) {
        count(reason, 1, place);
    }

    private void count(String reason, long count, String place) {
        rows += count;
        String key = entries.containsKey(reason) || entries.size() < MOST_REASONS ? reason : OTHERS;
        entries.merge(key, new Entry(count, place), (a, b) -> new Entry(a.count() + b.count(), a.first()));
    }

    /** Those of another file, too. */
    public void addAll(Rejections others) {
        others.entries.forEach((reason, entry) -> count(reason, entry.count(), entry.first()));
    }

    /** How many rows. */
    public long rows() {
        return rows;
    }

    /** A line for each reason. */
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        entries.forEach((reason, entry) -> lines.add("%,d %s left out: %s (first %s)"
                .formatted(entry.count(), entry.count() == 1 ? "row" : "rows", reason, entry.first())));
        return lines;
    }
}
