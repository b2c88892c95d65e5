package quern.tensor;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import quern.recipe.DurableFiles;
import quern.recipe.QuernException;
import quern.tensor.SafetensorsFile.Entry;
import quern.tensor.internal.SafetensorsHeader;
import quern.tensor.internal.SafetensorsHeader.Layout;
import quern.tensor.internal.SafetensorsType;

/**
 * Writes safetensors files byte for byte as the reference library does: the tensors ordered by type (widest first) and
 * name, the header padded so that the data starts at a multiple of eight. A file is either wholly written and on the
 * disk, or the old one is still there.
 *
 * @see DurableFiles
 */
public final class SafetensorsWriter {
    /** Bytes handed to the channel at once: large enough for the disk, small enough to copy through. */
    private static final int CHUNK_BYTES = 8 << 20;

    private SafetensorsWriter() {}

    /**
     * Writes a file, or replaces it in one step.
     *
     * @param tensors in any order; names must differ
     * @param metadata free text for the header, written in the map's order; usually {@code format: pt}
     * @throws QuernException failed when a name, type or size is wrong or writing fails; refused when the disk is full
     */
    public static void write(Path target, Collection<Entry> tensors, Map<String, String> metadata) {
        Map<String, Entry> byName = byName(target, tensors);
        List<Layout> layouts = layOut(target, tensors);
        metadata.forEach((key, value) -> {
            if (!SafetensorsHeader.isWellFormed(key) || !SafetensorsHeader.isWellFormed(value)) {
                throw QuernException.failed(
                        "%s: metadata has text with half a surrogate pair; give valid text", target);
            }
        });
        byte[] header = SafetensorsHeader.format(new SafetensorsHeader(layouts, metadata));
        if (header.length - SafetensorsHeader.LENGTH_BYTES > SafetensorsHeader.MAX_HEADER_BYTES) {
            throw QuernException.failed(
                    "%s: the header would take %d bytes, at most %d can be read back; write fewer tensors a file",
                    target, header.length - SafetensorsHeader.LENGTH_BYTES, SafetensorsHeader.MAX_HEADER_BYTES);
        }
        long dataBytes = layouts.isEmpty() ? 0 : layouts.getLast().end();
        DurableFiles.write(target, header.length + dataBytes, channel -> {
            DurableFiles.writeFully(channel, ByteBuffer.wrap(header));
            ByteBuffer staging = null;
            for (Layout layout : layouts) {
                MemorySegment bytes = byName.get(layout.name()).bytes();
                if (!bytes.isNative() && staging == null) {
                    staging = ByteBuffer.allocateDirect(CHUNK_BYTES);
                }
                writeSegment(channel, bytes, staging);
            }
        });
    }

    /** The bytes that the tensors' data takes, without the header. */
    static long dataBytes(Collection<Entry> tensors) {
        long total = 0;
        for (Entry tensor : tensors) {
            total = Math.addExact(total, tensor.bytes().byteSize());
        }
        return total;
    }

    private static Map<String, Entry> byName(Path target, Collection<Entry> tensors) {
        Map<String, Entry> byName = new HashMap<>();
        for (Entry tensor : tensors) {
            if (byName.put(tensor.name(), tensor) != null) {
                throw QuernException.failed("%s: two tensors are named '%s'; names must differ", target, tensor.name());
            }
        }
        return byName;
    }

    private static List<Layout> layOut(Path target, Collection<Entry> tensors) {
        List<Layout> unplaced = new ArrayList<>();
        for (Entry tensor : tensors) {
            unplaced.add(new Layout(tensor.name(), checkedType(target, tensor), tensor.shape(), 0, 0));
        }
        unplaced.sort(SafetensorsHeader.fileOrder());
        List<Layout> placed = new ArrayList<>();
        long position = 0;
        for (Layout layout : unplaced) {
            long end = Math.addExact(position, layout.type().byteSize(layout.shape()));
            placed.add(new Layout(layout.name(), layout.type(), layout.shape(), position, end));
            position = end;
        }
        return placed;
    }

    private static SafetensorsType checkedType(Path target, Entry tensor) {
        if (!SafetensorsHeader.isWellFormed(tensor.name()) || tensor.name().equals("__metadata__")) {
            throw QuernException.failed(
                    "%s: '%s' can't be a tensor's name in this format; choose another", target, tensor.name());
        }
        SafetensorsType type = SafetensorsType.of(tensor.dtype());
        if (type == null) {
            throw QuernException.failed(
                    "%s: tensor '%s' has the dtype '%s', expected one of %s",
                    target, tensor.name(), tensor.dtype(), Arrays.toString(SafetensorsType.values()));
        }
        long expected;
        try {
            expected = type.byteSize(tensor.shape());
        } catch (ArithmeticException e) {
            expected = -1;
        }
        if (expected != tensor.bytes().byteSize()) {
            throw QuernException.failed(
                    "%s: tensor '%s' has %d bytes, but %s of shape %s takes %s",
                    target,
                    tensor.name(),
                    tensor.bytes().byteSize(),
                    type,
                    Arrays.toString(tensor.shape()),
                    expected < 0 ? "another number" : String.valueOf(expected));
        }
        return type;
    }

    private static void writeSegment(FileChannel channel, MemorySegment bytes, ByteBuffer staging) throws IOException {
        for (long at = 0; at < bytes.byteSize(); at += CHUNK_BYTES) {
            int length = (int) Math.min(CHUNK_BYTES, bytes.byteSize() - at);
            MemorySegment chunk = bytes.asSlice(at, length);
            if (bytes.isNative()) {
                DurableFiles.writeFully(channel, chunk.asByteBuffer());
            } else {
                // A heap segment over floats or longs has no ByteBuffer view.
                MemorySegment.ofBuffer(staging.clear().limit(length)).copyFrom(chunk);
                DurableFiles.writeFully(channel, staging);
            }
        }
    }
}
