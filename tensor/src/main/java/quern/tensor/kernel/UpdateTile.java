package quern.tensor.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * A padded copy of a stretch of a parameter, for what an update can't do in place: less than a vector of elements, and
 * state in 8 bits, which is decoded into the copy and encoded again.
 */
final class UpdateTile {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private static final long ALIGNMENT = 64;

    /**
     * Each thread's room, no smaller than any tile it had. An automatic arena, since the loops see tiles and tensors in
     * turn: where some memory has an owning thread and some has none, C2 moves the question out of the loop, is wrong every
     * other time, and compiles the loop anew for each step.
     */
    private static final ThreadLocal<MemorySegment> ROOM = ThreadLocal.withInitial(() -> MemorySegment.NULL);

    private final UpdateKernel.Memory whole;
    private final UpdateKernel.Memory copy;
    private final UpdateStreams streams;
    private final Update update;
    private final int wide;
    private final CodedBuffer.Coder coder;

    /** A tile of {@code size} elements, whole vectors; until this thread makes the next one. */
    UpdateTile(UpdateKernel.Memory whole, int size, float scale, Update update) {
        this.whole = whole;
        this.update = update;
        wide = whole.buffers().size();
        int count = wide + whole.coded().size();
        SegmentAllocator room = SegmentAllocator.slicingAllocator(room((count + 3L) * (size * 4L + ALIGNMENT)));
        List<MemorySegment> buffers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            buffers.add(part(room, size, ElementType.FP32));
        }
        copy = new UpdateKernel.Memory(
                part(room, size, whole.gradientType()),
                whole.gradientType(),
                part(room, size, ElementType.FP32),
                buffers,
                whole.narrow() == null ? null : part(room, size, ElementType.BF16),
                size);
        streams = new UpdateStreams(copy, scale);
        coder = whole.coded().isEmpty() ? null : new CodedBuffer.Coder();
    }

    private static MemorySegment room(long bytes) {
        MemorySegment room = ROOM.get();
        if (room.byteSize() < bytes) {
            room = Arena.ofAuto().allocate(bytes, ALIGNMENT);
            ROOM.set(room);
        }
        return room;
    }

    private static MemorySegment part(SegmentAllocator room, int size, ElementType type) {
        return room.allocate((long) size * type.bytes(), ALIGNMENT);
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
                coder.decode(whole.coded().get(i - wide), buffer, at, length);
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
                coder.encode(whole.coded().get(i - wide), buffer, at, length);
            }
        }
        if (update.writesWeight()) {
            MemorySegment.copy(copy.weight(), 0, whole.weight(), at * 4, bytes);
            if (copy.narrow() != null) {
                MemorySegment.copy(copy.narrow(), 0, whole.narrow(), at * 2, length * 2L);
            }
        }
    }
}
