package quern.curate;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import quern.tensor.SafetensorsFile.Entry;

/** Java arrays as tensors of a safetensors file. */
final class FloatArrays {
    private FloatArrays() {}

    static Entry entry(String name, float[] values, long... shape) {
        return new Entry(name, "F32", shape, MemorySegment.ofArray(values));
    }

    static Entry entry(String name, int[] values, long... shape) {
        return new Entry(name, "I32", shape, MemorySegment.ofArray(values));
    }

    static float[] floats(Entry entry) {
        float[] values = new float[Math.toIntExact(entry.bytes().byteSize() / Float.BYTES)];
        MemorySegment.copy(entry.bytes(), ValueLayout.JAVA_FLOAT_UNALIGNED, 0, values, 0, values.length);
        return values;
    }

    static int[] ints(Entry entry) {
        int[] values = new int[Math.toIntExact(entry.bytes().byteSize() / Integer.BYTES)];
        MemorySegment.copy(entry.bytes(), ValueLayout.JAVA_INT_UNALIGNED, 0, values, 0, values.length);
        return values;
    }
}
