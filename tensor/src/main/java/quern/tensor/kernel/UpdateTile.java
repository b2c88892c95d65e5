package quern.tensor.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * A padded copy of a stretch of a parameter, for what an update can't do in place: less than a vector of elements, and
 * state in 8 bits, which is decoded into the copy and encoded again.
 */
final class UpdateTile implements AutoCloseable {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private static final long ALIGNMENT = 64;

    private final Arena arena = Arena.ofConfined();
    private final UpdateKernel.Memory whole;
    private final UpdateKernel.Memory copy;
    private final UpdateStreams streams;
    private final Update update;
    private final int wide;
    private final CodedBuffer.Coder coder;
    private final float[] decoded;

    /** Room for {@code size} elements, whole vectors. */
    UpdateTile(UpdateKernel.Memory whole, int size, float scale, Update update) {
        this.whole = whole;
        this.update = update;
        wide = whole.buffers().size();
        List<MemorySegment> buffers = new ArrayList<>();
        for (int i = 0; i < wide + whole.coded().size(); i++) {
            buffers.add(room(size, ElementType.FP32));
        }
        copy = new UpdateKernel.Memory(
                room(size, whole.gradientType()),
                whole.gradientType(),
                room(size, ElementType.FP32),
                buffers,
                whole.narrow() == null ? null : room(size, ElementType.BF16),
                size);
        streams = new UpdateStreams(copy, scale);
        coder = whole.coded().isEmpty() ? null : new CodedBuffer.Coder();
        decoded = coder == null ? null : new float[size];
    }

    private MemorySegment room(int size, ElementType type) {
        return arena.allocate((long) size * type.bytes(), ALIGNMENT);
    }

    /** Updates {@code length} elements from {@code at} on. */
    void step(long at, int length) {
        load(at, length);
        update.apply(streams, 0, Math.ceilDiv(length, Lanes.COUNT) * (long) Lanes.COUNT);
        store(at, length);
    }

    private void load(long at, int length) {
        long bytes = length * 4L;
        int gradientBytes = whole.gradientType().bytes();
        long gradientLength = (long) length * gradientBytes;
        copy.gradient().asSlice(gradientLength).fill((byte) 0);
        MemorySegment.copy(whole.gradient(), at * gradientBytes, copy.gradient(), 0, gradientLength);
        copy.weight().asSlice(bytes).fill((byte) 0);
        MemorySegment.copy(whole.weight(), at * 4, copy.weight(), 0, bytes);
        for (int i = 0; i < copy.buffers().size(); i++) {
            MemorySegment buffer = copy.buffers().get(i);
            if (i < wide) {
                MemorySegment.copy(whole.buffers().get(i), at * 4, buffer, 0, bytes);
            } else {
                coder.decode(whole.coded().get(i - wide), decoded, at, length);
                MemorySegment.copy(decoded, 0, buffer, FLOAT, 0, length);
            }
            for (long lane = length; lane < copy.elements(); lane++) {
                buffer.setAtIndex(FLOAT, lane, update.padding(i));
            }
        }
    }

    private void store(long at, int length) {
        long bytes = length * 4L;
        for (int i = 0; i < copy.buffers().size(); i++) {
            MemorySegment buffer = copy.buffers().get(i);
            if (i < wide) {
                MemorySegment.copy(buffer, 0, whole.buffers().get(i), at * 4, bytes);
            } else {
                MemorySegment.copy(buffer, FLOAT, 0, decoded, 0, length);
                coder.encode(whole.coded().get(i - wide), decoded, at, length);
            }
        }
        if (update.writesWeight()) {
            MemorySegment.copy(copy.weight(), 0, whole.weight(), at * 4, bytes);
            if (copy.narrow() != null) {
                MemorySegment.copy(copy.narrow(), 0, whole.narrow(), at * 2, length * 2L);
            }
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
