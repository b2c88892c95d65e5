package quern.tensor.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** The place of the largest of many floats. */
public final class Largest {
    private Largest() {}

    /**
     * The first of the largest of {@code n} floats from {@code from} on, at least one, counted from there; as libtorch has it,
     * NaN is larger than any number.
     */
    public static int first(float[] x, int from, int n) {
        int vectors = n - n % Lanes.COUNT;
        float largest = vectors == 0 ? x[from] : largest(x, from, vectors);
        for (int i = vectors; i < n; i++) {
            largest = Math.max(largest, x[from + i]);
        }
        int start = Float.isNaN(largest) ? 0 : vectorWith(largest, x, from, vectors);
        for (int i = start; i < n; i++) {
            // Bits of NaN differ; zeros of either sign are equal.
            if (x[from + i] == largest || Float.isNaN(x[from + i])) {
                return i;
            }
        }
        throw new IllegalStateException("the largest of " + n + " floats is not among them");
    }

    private static float largest(float[] x, int from, int vectors) {
        FloatVector max = Lanes.load(x, from);
        for (int i = Lanes.COUNT; i < vectors; i += Lanes.COUNT) {
            max = max.max(Lanes.load(x, from + i));
        }
        return Lanes.maximum(max, new float[Lanes.COUNT]);
    }

    /** Where the first vector that has the value begins, or the end of the vectors. */
    private static int vectorWith(float value, float[] x, int from, int vectors) {
        for (int i = 0; i < vectors; i += Lanes.COUNT) {
            if (Lanes.load(x, from + i).compare(VectorOperators.EQ, value).anyTrue()) {
                return i;
            }
        }
        return vectors;
    }
}
