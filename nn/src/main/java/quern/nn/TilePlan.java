package quern.nn;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import quern.tensor.Device;
import quern.tensor.Tensor;

/**
 * A sequence's scores in tiles: rows of queries, and the keys that some of them sees. Places count from the sequence's
 * first row and key.
 */
record TilePlan(List<Tile> tiles, long widest) {
    /** What a hidden key adds to a score: low enough to leave nothing of it, and finite, so that no row becomes NaN. */
    static final double HIDDEN = -1e30;

    /** Keys [from, to). */
    record Run(long from, long to) {
        long length() {
            return to - from;
        }
    }

    /** Columns [column, column + width) of a tile in which some key is hidden from some row; mask fp32 [rows, width]. */
    record Edge(long column, long width, Tensor mask) {}

    /** Rows [row, row + rows) and what they see. */
    record Tile(long row, long rows, List<Run> runs, List<Edge> edges) {
        long columns() {
            return runs.stream().mapToLong(Run::length).sum();
        }
    }

    private record EdgeKey(long rows, long width, long rowPosition, long keyPosition) {}

    /**
     * The tiles of a sequence.
     *
     * @param rowPosition the position of its first row
     * @param keyPosition the position of its first key
     * @param tileRows rows of a tile
     */
    static TilePlan of(
            VisibleKeys visible,
            long rows,
            long keys,
            long rowPosition,
            long keyPosition,
            long tileRows,
            Device device) {
        Map<EdgeKey, Tensor> known = new HashMap<>();
        List<Tile> tiles = new ArrayList<>();
        long widest = 0;
        long end = keyPosition + keys;
        for (long row = 0; row < rows; ) {
            long first = rowPosition + row;
            // Tiles end where blocks do, so that none sees a block more.
            long next = (Math.floorDiv(first, tileRows) + 1) * tileRows;
            if (visible.ahead() && first < visible.global()) {
                next = Math.min(next, visible.global());
            }
            long count = Math.min(rows - row, next - first);
            long last = first + count - 1;
            List<Run> runs = new ArrayList<>();
            List<Edge> edges = new ArrayList<>();
            long column = 0;
            for (Run run : runs(visible, first, last, keyPosition, end)) {
                runs.add(new Run(run.from - keyPosition, run.to - keyPosition));
                // Between these no key of the band is hidden from any row.
                long sure = Math.clamp(visible.lowest(last), run.from, run.to);
                long sureEnd = Math.clamp(visible.highest(first) + 1, sure, run.to);
                if (!visible.self()) {
                    sureEnd = Math.clamp(first, sure, sureEnd);
                }
                edge(edges, visible, known, first, count, run.from, sure, column + 0, device);
                edge(edges, visible, known, first, count, sureEnd, run.to, column + sureEnd - run.from, device);
                column += run.length();
            }
            widest = Math.max(widest, column * count);
            tiles.add(new Tile(row, count, runs, edges));
            row += count;
        }
        return new TilePlan(tiles, widest);
    }

    private static List<Run> runs(VisibleKeys visible, long first, long last, long start, long end) {
        if (visible.ahead() && first < visible.global()) {
            return List.of(new Run(start, end));
        }
        long from = Math.clamp(visible.lowest(first), start, end);
        long to = Math.clamp(visible.highest(last) + 1, from, end);
        long global = Math.clamp(visible.ahead() ? visible.global() : Math.min(visible.global(), last + 1), start, end);
        List<Run> runs = new ArrayList<>();
        if (global >= from && global > start) {
            runs.add(new Run(start, Math.max(to, global)));
        } else {
            if (global > start) {
                runs.add(new Run(start, global));
            }
            if (to > from) {
                runs.add(new Run(from, to));
            }
        }
        return runs;
    }

    private static void edge(
            List<Edge> edges,
            VisibleKeys visible,
            Map<EdgeKey, Tensor> known,
            long first,
            long rows,
            long from,
            long to,
            long column,
            Device device) {
        if (to <= from) {
            return;
        }
        long width = to - from;
        // Edges of a band look alike wherever it stands, but for the start's keys and for blocks cut in two.
        boolean alike = visible.block() == 1
                && visible.global() <= from
                && visible.global() <= first
                && visible.prefix() <= first;
        EdgeKey key = alike ? new EdgeKey(rows, width, 0, from - first) : new EdgeKey(rows, width, first + 1, from);
        Tensor mask = known.get(key);
        if (mask == null) {
            float[] values = new float[Math.toIntExact(rows * width)];
            boolean any = false;
            for (int i = 0, at = 0; i < rows; i++) {
                for (int j = 0; j < width; j++, at++) {
                    boolean hidden = !visible.sees(first + i, from + j);
                    values[at] = hidden ? (float) HIDDEN : 0;
                    any |= hidden;
                }
            }
            if (!any) {
                return;
            }
            mask = Tensor.of(values, rows, width).to(device);
            known.put(key, mask);
        }
        edges.add(new Edge(column, width, mask));
    }
}
