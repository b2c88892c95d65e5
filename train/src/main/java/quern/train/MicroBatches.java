package quern.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import quern.data.Batch;

/**
 * Divides the rows of a step anew over forward passes. The rows and their order stay the same, and with them the step's
 * loss and gradients, up to rounding and the drawn dropout.
 */
final class MicroBatches {
    private MicroBatches() {}

    /** The rows of these batches in passes of at most {@code rows}; batches of unlike shape are not joined. */
    static List<Batch> ofRows(List<Batch> batches, int rows) {
        List<Batch> all = new ArrayList<>();
        List<Batch> alike = new ArrayList<>();
        for (Batch batch : batches) {
            if (!alike.isEmpty() && !alike(alike.getFirst(), batch)) {
                divide(alike, rows, all);
                alike.clear();
            }
            alike.add(batch);
        }
        if (!alike.isEmpty()) {
            divide(alike, rows, all);
        }
        return all;
    }

    private static boolean alike(Batch a, Batch b) {
        if (a.isUnpadded() || b.isUnpadded()) {
            return a.isUnpadded() && b.isUnpadded();
        }
        return a.columns() == b.columns()
                && a.labelColumns() == b.labelColumns()
                && shapes(a).equals(shapes(b));
    }

    /** Per name the kind and the shape of one row. */
    private static Map<String, String> shapes(Batch batch) {
        Map<String, String> shapes = new TreeMap<>();
        batch.others().forEach((name, values) -> {
            List<Integer> row = new ArrayList<>();
            for (int i = 1; i < values.shape().length; i++) {
                row.add(values.shape()[i]);
            }
            shapes.put(name, values.getClass().getSimpleName() + row);
        });
        return shapes;
    }

    private static void divide(List<Batch> alike, int rows, List<Batch> into) {
        int total = alike.stream().mapToInt(Batch::rows).sum();
        if (alike.size() == 1 && total <= rows) {
            into.add(alike.getFirst());
            return;
        }
        for (int from = 0; from < total; from += rows) {
            int to = Math.min(total, from + rows);
            into.add(alike.getFirst().isUnpadded() ? unpadded(alike, from, to) : rows(alike, from, to));
        }
    }

    private static Batch unpadded(List<Batch> all, int from, int to) {
        IntStream.Builder inputs = IntStream.builder();
        IntStream.Builder labels = IntStream.builder();
        IntStream.Builder lengths = IntStream.builder();
        IntStream.Builder documents = IntStream.builder();
        boolean weighted = all.stream().anyMatch(b -> b.others().containsKey(Batch.ROW_WEIGHTS));
        float[] weights = new float[to - from];
        int row = 0;
        for (Batch batch : all) {
            int token = 0;
            int document = 0;
            int first = row;
            for (int length : batch.lengths()) {
                boolean wanted = row >= from && row < to;
                int end = token + length;
                if (wanted) {
                    weights[row - from] = batch.rowWeights()[row - first];
                    lengths.add(length);
                    for (int i = token; i < end; i++) {
                        inputs.add(batch.inputIds()[i]);
                        labels.add(batch.labels()[i]);
                    }
                }
                while (token < end) {
                    int size = batch.documents()[document++];
                    token += size;
                    if (wanted) {
                        documents.add(size);
                    }
                }
                row++;
            }
        }
        Batch made = Batch.unpadded(
                inputs.build().toArray(),
                labels.build().toArray(),
                lengths.build().toArray(),
                documents.build().toArray());
        return weighted ? made.withRowWeights(weights) : made;
    }

    private static Batch rows(List<Batch> alike, int from, int to) {
        Batch like = alike.getFirst();
        int n = to - from;
        int[] inputs = new int[n * like.columns()];
        int[] labels = new int[n * like.labelColumns()];
        int[] lengths = new int[n];
        Map<String, Batch.Values> others = new TreeMap<>();
        like.others().forEach((name, values) -> others.put(name, emptied(values, n)));
        int first = 0;
        for (Batch batch : alike) {
            int begin = Math.max(from, first);
            int end = Math.min(to, first + batch.rows());
            if (begin < end) {
                int source = begin - first;
                int target = begin - from;
                int count = end - begin;
                copy(batch.inputIds(), source, inputs, target, count, like.columns());
                copy(batch.labels(), source, labels, target, count, like.labelColumns());
                copy(batch.lengths(), source, lengths, target, count, 1);
                others.forEach((name, values) -> {
                    Batch.Values given = batch.others().get(name);
                    if (given instanceof Batch.Values.Ints a && values instanceof Batch.Values.Ints b) {
                        copy(a.values(), source, b.values(), target, count, b.values().length / n);
                    } else if (given instanceof Batch.Values.Floats a && values instanceof Batch.Values.Floats b) {
                        copy(a.values(), source, b.values(), target, count, b.values().length / n);
                    }
                });
            }
            first += batch.rows();
        }
        return new Batch(n, like.columns(), inputs, labels, lengths, others);
    }

    private static Batch.Values emptied(Batch.Values like, int rows) {
        int[] shape = like.shape().clone();
        int size = rows;
        shape[0] = rows;
        for (int i = 1; i < shape.length; i++) {
            size *= shape[i];
        }
        return switch (like) {
            case Batch.Values.Ints ints -> new Batch.Values.Ints(new int[size], shape);
            case Batch.Values.Floats floats -> new Batch.Values.Floats(new float[size], shape);
        };
    }

    /** Copies {@code rows} rows of {@code width} elements between arrays of one type. */
    private static void copy(Object source, int from, Object target, int to, int rows, int width) {
        System.arraycopy(source, from * width, target, to * width, rows * width);
    }
}
