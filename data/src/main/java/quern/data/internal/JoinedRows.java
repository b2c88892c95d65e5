package quern.data.internal;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import quern.data.Batch;

/** Batches of one row each as one batch; rows that are shorter than others are padded on the right. */
public final class JoinedRows {
    private static final String MASK = "attention_mask";

    private JoinedRows() {}

    /** @param padding the token in padding */
    public static Batch of(List<Batch> rows, int padding) {
        int[] lengths = rows.stream().mapToInt(r -> r.lengths()[0]).toArray();
        if (rows.getFirst().isUnpadded()) {
            return Batch.unpadded(
                    rows.stream().flatMapToInt(r -> Arrays.stream(r.inputIds())).toArray(),
                    rows.stream().flatMapToInt(r -> Arrays.stream(r.labels())).toArray(),
                    lengths,
                    rows.stream()
                            .flatMapToInt(r -> Arrays.stream(r.documents()))
                            .toArray());
        }
        int columns = rows.stream().mapToInt(Batch::columns).max().orElse(0);
        int labelColumns = rows.stream().mapToInt(Batch::labelColumns).max().orElse(0);
        return new Batch(
                rows.size(),
                columns,
                joined(rows.stream().map(Batch::inputIds).toList(), columns, padding),
                joined(rows.stream().map(Batch::labels).toList(), labelColumns, Batch.NOT_COUNTED),
                lengths,
                others(rows, columns));
    }

    private static int[] joined(List<int[]> rows, int columns, int fill) {
        int[] all = new int[rows.size() * columns];
        Arrays.fill(all, fill);
        for (int row = 0; row < rows.size(); row++) {
            System.arraycopy(rows.get(row), 0, all, row * columns, rows.get(row).length);
        }
        return all;
    }

    private static Map<String, Batch.Values> others(List<Batch> rows, int columns) {
        Set<String> names = new TreeSet<>();
        rows.forEach(row -> names.addAll(row.others().keySet()));
        if (rows.stream().anyMatch(row -> row.columns() < columns)) {
            names.add(MASK);
        }
        Map<String, Batch.Values> others = new HashMap<>();
        for (String name : names) {
            others.put(name, values(rows, name, columns));
        }
        return others;
    }

    private static Batch.Values values(List<Batch> rows, String name, int columns) {
        if (name.equals(MASK)) {
            return new Batch.Values.Ints(
                    joined(rows.stream().map(JoinedRows::mask).toList(), columns, 0), rows.size(), columns);
        }
        int[] shape = rows.getFirst().others().get(name).shape().clone();
        shape[0] = rows.size();
        // A number a token is padded like the tokens; whatever else a row has is of one size in all.
        boolean byToken = shape.length == 2
                && rows.stream().allMatch(r -> r.others().get(name).shape()[1] == r.columns());
        if (byToken) {
            shape[1] = columns;
        }
        if (rows.getFirst().others().get(name) instanceof Batch.Values.Ints) {
            List<int[]> values = rows.stream()
                    .map(r -> ((Batch.Values.Ints) r.others().get(name)).values())
                    .toList();
            int[] all = byToken
                    ? joined(values, columns, 0)
                    : values.stream().flatMapToInt(Arrays::stream).toArray();
            return new Batch.Values.Ints(all, shape);
        }
        float[] all = new float[Arrays.stream(shape).reduce(1, Math::multiplyExact)];
        int width = all.length / rows.size();
        IntStream.range(0, rows.size()).forEach(row -> {
            float[] one = ((Batch.Values.Floats) rows.get(row).others().get(name)).values();
            System.arraycopy(one, 0, all, row * width, one.length);
        });
        return new Batch.Values.Floats(all, shape);
    }

    private static int[] mask(Batch row) {
        if (row.others().get(MASK) instanceof Batch.Values.Ints given) {
            return given.values();
        }
        int[] mask = new int[row.columns()];
        Arrays.fill(mask, 0, row.lengths()[0], 1);
        return mask;
    }
}
