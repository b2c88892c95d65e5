package quern.tensor.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.random.RandomGenerator;

/** Segments of floats for the kernels' tests; each ends with the last element, so that a read past it is an error. */
final class Segments {
    private Segments() {}

    static MemorySegment floats(Arena arena, float... values) {
        return arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
    }

    static MemorySegment of(Arena arena, ElementType type, float... values) {
        // Two bytes off any alignment that a vector would like.
        MemorySegment segment =
                arena.allocate((long) values.length * type.bytes() + 2, 64).asSlice(2);
        for (int i = 0; i < values.length; i++) {
            Lanes.set(segment, type, i, values[i]);
        }
        return segment;
    }

    static float[] toFloats(MemorySegment segment, ElementType type, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = Lanes.get(segment, type, i);
        }
        return values;
    }

    static float[] random(RandomGenerator random, int count, double scale) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (random.nextGaussian() * scale);
        }
        return values;
    }

    static float[] rounded(float[] values, ElementType type) {
        float[] result = values.clone();
        if (type == ElementType.BF16) {
            for (int i = 0; i < result.length; i++) {
                result[i] = Bf16.toFloat(Bf16.fromFloat(result[i]));
            }
        }
        return result;
    }
}
