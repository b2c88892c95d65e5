package quern.data.dedup.internal;

import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import quern.recipe.DurableFiles;

/** Byte strings by number 0, 1, 2… on disk: written once in order, then read in any order. For one thread. */
public final class BlobFile implements AutoCloseable {
    private static final int BUFFER_BYTES = 1 << 18;

    private final Path content;
    private final Path ends;
    private final FileChannel contentChannel;
    private final FileChannel endsChannel;
    private ByteBuffer contentBuffer = ByteBuffer.allocate(BUFFER_BYTES);
    private ByteBuffer endsBuffer = ByteBuffer.allocate(BUFFER_BYTES);
    private final ByteBuffer two = ByteBuffer.allocate(2 * Long.BYTES);
    private long end;
    private long count;

    /** Creates the files, two whose names begin with {@code name}. */
    public BlobFile(Path folder, String name) {
        content = folder.resolve(name + ".blobs");
        ends = folder.resolve(name + ".ends");
        contentChannel = open(content);
        endsChannel = open(ends);
    }

    private static FileChannel open(Path path) {
        try {
            return FileChannel.open(
                    path, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(path, -1, e);
        }
    }

    /** How many there are. */
    public long count() {
        return count;
    }

    /** Adds the UTF-8 bytes of a text as the next. */
    public void add(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        put(ByteBuffer.wrap(bytes));
        finish(bytes.length);
    }

    /** Adds numbers as the next. */
    public void add(long[] numbers) {
        for (long number : numbers) {
            if (contentBuffer.remaining() < Long.BYTES) {
                flush(contentChannel, contentBuffer, content);
            }
            contentBuffer.putLong(number);
        }
        finish((long) numbers.length * Long.BYTES);
    }

    private void put(ByteBuffer bytes) {
        while (bytes.hasRemaining()) {
            if (!contentBuffer.hasRemaining()) {
                flush(contentChannel, contentBuffer, content);
            }
            int some = Math.min(bytes.remaining(), contentBuffer.remaining());
            contentBuffer.put(bytes.slice(bytes.position(), some));
            bytes.position(bytes.position() + some);
        }
    }

    private void finish(long length) {
        end += length;
        count++;
        if (endsBuffer.remaining() < Long.BYTES) {
            flush(endsChannel, endsBuffer, ends);
        }
        endsBuffer.putLong(end);
    }

    private static void flush(FileChannel channel, ByteBuffer buffer, Path path) {
        try {
            DurableFiles.writeFully(channel, buffer.flip());
            buffer.clear();
        } catch (IOException e) {
            throw DurableFiles.writeFailure(path, buffer.remaining(), e);
        }
    }

    /** Ends the writing; frees its buffers. */
    public void seal() {
        flush(contentChannel, contentBuffer, content);
        flush(endsChannel, endsBuffer, ends);
        contentBuffer = null;
        endsBuffer = null;
    }

    /** A text that was added. */
    public String text(long index) {
        return new String(read(index).array(), StandardCharsets.UTF_8);
    }

    /** Numbers that were added. */
    public long[] numbers(long index) {
        ByteBuffer bytes = read(index);
        long[] numbers = new long[bytes.remaining() / Long.BYTES];
        bytes.asLongBuffer().get(numbers);
        return numbers;
    }

    private ByteBuffer read(long index) {
        try {
            long from = 0;
            if (index > 0) {
                readFully(endsChannel, two.clear(), (index - 1) * Long.BYTES);
                from = two.getLong();
            } else {
                readFully(endsChannel, two.clear().limit(Long.BYTES), 0);
            }
            ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(two.getLong() - from));
            readFully(contentChannel, bytes, from);
            return bytes;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void readFully(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
        long at = position;
        while (bytes.hasRemaining()) {
            int some = channel.read(bytes, at);
            if (some < 0) {
                throw new EOFException("a spilled file is shorter than it was written");
            }
            at += some;
        }
        bytes.flip();
    }

    /** Deletes the files. */
    @Override
    public void close() {
        try (contentChannel;
                endsChannel) {
            Files.deleteIfExists(content);
            Files.deleteIfExists(ends);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
