package quern.tensor;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.internal.SafetensorsHeader;

/**
 * A safetensors file, mapped into memory for reading. The header is checked whole before any tensor is handed out:
 * lengths, types, shapes, and that the tensors cover the data without overlap or hole. Tensors are slices of the
 * mapping, nothing is copied, and only what is read is loaded from the disk.
 *
 * <p>Entries are valid until {@link #close()}, from any thread. Files of any size are read; data is little-endian as in
 * the format. Other writers may leave a tensor at an address that is no multiple of its element size.
 *
 * <p>The file must not be cut off while it is open: the access would then fail with an {@link InternalError}.
 *
 * @see <a href="https://github.com/huggingface/safetensors#format">the format</a>
 */
public final class SafetensorsFile implements AutoCloseable {
    private final Path path;
    private final Arena arena;
    private final Map<String, Entry> entries;
    private final Map<String, String> metadata;

    private SafetensorsFile(Path path, Arena arena, Map<String, Entry> entries, Map<String, String> metadata) {
        this.path = path;
        this.arena = arena;
        this.entries = entries;
        this.metadata = metadata;
    }

    /**
     * A named tensor.
     *
     * @param dtype the format's name of the element type: {@code F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL
     *     F8_E4M3 F8_E5M2}
     * @param shape empty for a scalar; a dimension may be 0
     * @param bytes the elements, row-major and little-endian; read-only when it comes from a file
     */
    public record Entry(String name, String dtype, long[] shape, MemorySegment bytes) {
        /** An entry with its own copy of the shape. */
        public Entry {
            Objects.requireNonNull(name, "name");
            Objects.requireNonNull(dtype, "dtype");
            Objects.requireNonNull(bytes, "bytes");
            shape = shape.clone();
        }

        /** A copy of the shape. */
        @Override
        public long[] shape() {
            return shape.clone();
        }

        /** Whether name, type, shape and the bytes' place are the same. */
        @Override
        public boolean equals(Object other) {
            return other instanceof Entry e
                    && name.equals(e.name)
                    && dtype.equals(e.dtype)
                    && Arrays.equals(shape, e.shape)
                    && bytes.equals(e.bytes);
        }

        @Override
        public int hashCode() {
            return Objects.hash(name, dtype, Arrays.hashCode(shape), bytes);
        }

        @Override
        public String toString() {
            return "%s %s%s".formatted(name, dtype, Arrays.toString(shape));
        }
    }

    /**
     * Maps and checks a file.
     *
     * @throws QuernException bad input when the file is missing, empty or a folder; failed when it breaks the format
     */
    public static SafetensorsFile open(Path path) {
        Arena arena = Arena.ofShared();
        boolean opened = false;
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            if (Files.isDirectory(path)) {
                throw QuernException.badInput("%s: a folder, expected a safetensors file; name the file in it", path);
            }
            long size = channel.size();
            if (size == 0) {
                throw QuernException.badInput("%s: the file is empty; download or save it again", path);
            }
            if (size < SafetensorsHeader.LENGTH_BYTES) {
                throw QuernException.failed(
                        "%s: the file has %d bytes, fewer than the 8 of a safetensors length field; download or save it again",
                        path, size);
            }
            MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
            SafetensorsFile file = read(path, arena, mapped);
            opened = true;
            return file;
        } catch (NoSuchFileException e) {
            throw new QuernException(ExitCode.BAD_INPUT, path + ": no such file; check the path", e);
        } catch (IOException e) {
            throw new QuernException(
                    ExitCode.FAILED,
                    "%s: can't be read: %s; check the file and its rights".formatted(path, e.getMessage()),
                    e);
        } finally {
            if (!opened) {
                arena.close();
            }
        }
    }

    private static SafetensorsFile read(Path path, Arena arena, MemorySegment mapped) {
        long size = mapped.byteSize();
        long length = mapped.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
        if (length < 0 || length > SafetensorsHeader.MAX_HEADER_BYTES) {
            throw QuernException.failed(
                    "%s: the header is said to have %s bytes, at most %d are allowed; this is no safetensors file or a damaged one: download or save it again",
                    path, Long.toUnsignedString(length), SafetensorsHeader.MAX_HEADER_BYTES);
        }
        long dataStart = SafetensorsHeader.LENGTH_BYTES + length;
        if (dataStart > size) {
            throw QuernException.failed(
                    "%s: the header takes %d bytes, but the file has only %d; it was cut off: download or save it again",
                    path, dataStart, size);
        }
        byte[] json = mapped.asSlice(SafetensorsHeader.LENGTH_BYTES, length).toArray(ValueLayout.JAVA_BYTE);
        SafetensorsHeader header = SafetensorsHeader.parse(path, json, size - dataStart);
        MemorySegment data = mapped.asSlice(dataStart);
        Map<String, Entry> entries = new LinkedHashMap<>();
        for (SafetensorsHeader.Layout tensor : header.tensors()) {
            MemorySegment bytes = data.asSlice(tensor.begin(), tensor.end() - tensor.begin());
            entries.put(tensor.name(), new Entry(tensor.name(), tensor.type().name(), tensor.shape(), bytes));
        }
        return new SafetensorsFile(path, arena, entries, header.metadata());
    }

    /** The file. */
    public Path path() {
        return path;
    }

    /** The tensors' names in the order of their data. */
    public List<String> names() {
        return List.copyOf(entries.keySet());
    }

    /** Whether there is a tensor of that name. */
    public boolean contains(String name) {
        return entries.containsKey(name);
    }

    /**
     * The tensor of that name, without a copy.
     *
     * @throws QuernException failed when the file has none
     */
    public Entry entry(String name) {
        Entry entry = entries.get(name);
        if (entry == null) {
            throw QuernException.failed(
                    "%s: no tensor '%s' among its %d; check that the file belongs to this model",
                    path, name, entries.size());
        }
        return entry;
    }

    /** The free text of the header by name; empty when there is none. */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /** Unmaps the file; its entries can't be read any more. A second call does nothing. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
