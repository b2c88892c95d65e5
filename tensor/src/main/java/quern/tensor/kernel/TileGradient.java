package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/** A tile of a gradient: kept in its own type, widened and scaled as it is read, which saves a pass over it. */
final class TileGradient {
    private final short[] narrow;
    private final float[] wide;
    private final float scale;

    TileGradient(ElementType type, float scale) {
        narrow = type == ElementType.BF16 ? new short[UpdateKernel.TILE] : null;
        wide = type == ElementType.FP32 ? new float[UpdateKernel.TILE] : null;
        this.scale = scale;
    }

    void load(MemorySegment gradient, long at, int length) {
        if (narrow != null) {
            MemorySegment.copy(gradient, ValueLayout.JAVA_SHORT_UNALIGNED, at * 2, narrow, 0, length);
            Arrays.fill(narrow, length, narrow.length, (short) 0);
        } else {
            MemorySegment.copy(gradient, ValueLayout.JAVA_FLOAT_UNALIGNED, at * 4, wide, 0, length);
            Arrays.fill(wide, length, wide.length, 0);
        }
    }

    /** Writes all scaled gradients: for a formula too long for {@link #at} to be taken apart in its loop. */
    void copyTo(float[] to) {
        for (int i = 0; i < to.length; i += Lanes.COUNT) {
            at(i).intoArray(to, i);
        }
    }

    /** The scaled gradients from {@code i} on. The compiler moves the choice out of the loop that calls this. */
    FloatVector at(int i) {
        FloatVector value = narrow != null ? Lanes.loadBf16(narrow, i) : Lanes.load(wide, i);
        return value.mul(scale);
    }
}
