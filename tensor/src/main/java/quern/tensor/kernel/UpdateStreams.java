package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * What an update reads and writes, a vector at a time; the methods are small enough for the compiler to inline into every
 * loop. The types are the same all through a training, so that the compiler leaves out the choices it never saw taken; in a
 * program that takes them both ways a step is up to twice as long.
 */
final class UpdateStreams {
    private final MemorySegment gradient;
    private final boolean bf16Gradient;
    private final float scale;
    private final MemorySegment weight;
    private final MemorySegment narrow;
    private final MemorySegment[] buffers;

    UpdateStreams(UpdateKernel.Memory memory, float scale) {
        gradient = memory.gradient();
        bf16Gradient = memory.gradientType() == ElementType.BF16;
        this.scale = scale;
        weight = memory.weight();
        narrow = memory.narrow();
        buffers = memory.buffers().toArray(MemorySegment[]::new);
    }

    /** The memory of a buffer, for {@link Lanes#loadFloats} and {@link Lanes#storeFloats}. */
    MemorySegment buffer(int index) {
        return buffers[index];
    }

    /** The scaled gradient. */
    FloatVector gradient(long i) {
        FloatVector value = bf16Gradient ? Lanes.loadBf16(gradient, i * 2) : Lanes.loadFloats(gradient, i * 4);
        return value.mul(scale);
    }

    /** The weight. */
    FloatVector weight(long i) {
        return Lanes.loadFloats(weight, i * 4);
    }

    /** The memory of the fp32 weights. */
    MemorySegment weights() {
        return weight;
    }

    /** Writes the weight, and its bf16 form where there is one. */
    void setWeight(long i, FloatVector value) {
        Lanes.storeFloats(value, weight, i * 4);
        if (narrow != null) {
            Lanes.storeBf16(value, narrow, i * 2);
        }
    }
}
