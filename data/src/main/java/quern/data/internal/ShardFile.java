package quern.data.internal;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32C;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/**
 * A file of equally wide integers, little endian, behind a header of 64 bytes: magic, version (int32), width in bytes
 * (int32), count (int64), CRC-32C of the content (int64), CRC-32C of the 32 bytes before it (int64), zeros. At most
 * 1 GiB, so that one mapped buffer holds it. Both sums are checked when a file is opened.
 */
final class ShardFile {
    static final int HEADER = 64;
    static final int VERSION = 1;
    /** "QUERNTOK" read as a little-endian number. */
    static final long MAGIC = 0x4B4F544E52455551L;

    private static final int SUMMED = 32;

    private ShardFile() {}

    /** Numbers that a file of this width can hold. */
    static long capacity(int width) {
        return ((1L << 30) - HEADER) / width;
    }

    /** Writes one file from its start to its end. */
    static final class Writer implements AutoCloseable {
        private final FileChannel channel;
        private final int width;
        private final ByteBuffer buffer = ByteBuffer.allocate(1 << 18).order(ByteOrder.LITTLE_ENDIAN);
        private final CRC32C sum = new CRC32C();
        private long count;

        Writer(Path file, int width) throws IOException {
            this.width = width;
            this.channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            channel.position(HEADER);
        }

        long count() {
            return count;
        }

        void add(long value) throws IOException {
            if (buffer.remaining() < width) {
                flush();
            }
            switch (width) {
                case 2 -> buffer.putShort((short) value);
                case 4 -> buffer.putInt((int) value);
                default -> buffer.putLong(value);
            }
            count++;
        }

        private void flush() throws IOException {
            buffer.flip();
            sum.update(buffer.duplicate());
            DurableFiles.writeFully(channel, buffer);
            buffer.clear();
        }

        /** Writes the header and waits until the file is on the disk. */
        void finish() throws IOException {
            flush();
            ByteBuffer header = ByteBuffer.allocate(HEADER).order(ByteOrder.LITTLE_ENDIAN);
            header.putLong(MAGIC).putInt(VERSION).putInt(width).putLong(count).putLong(sum.getValue());
            header.putLong(headerSum(header)).clear();
            channel.position(0);
            DurableFiles.writeFully(channel, header);
            channel.force(true);
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    private static long headerSum(ByteBuffer header) {
        CRC32C sum = new CRC32C();
        sum.update(header.duplicate().position(0).limit(SUMMED));
        return sum.getValue();
    }

    /** Maps a file's content after checking all of it. */
    static MappedByteBuffer open(Path file, int width, long count) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            if (size != HEADER + count * width || size > 1L << 30) {
                throw corrupt(file, "%,d bytes where %,d were written".formatted(size, HEADER + count * width));
            }
            MappedByteBuffer all = channel.map(FileChannel.MapMode.READ_ONLY, 0, size);
            all.order(ByteOrder.LITTLE_ENDIAN);
            if (all.getLong(0) != MAGIC) {
                throw corrupt(file, "it does not start as a shard");
            }
            if (all.getLong(SUMMED) != headerSum(all)) {
                throw corrupt(file, "the checksum of its header does not match");
            }
            if (all.getInt(8) != VERSION || all.getInt(12) != width || all.getLong(16) != count) {
                throw corrupt(file, "its header disagrees with store.json");
            }
            MappedByteBuffer content = all.slice(HEADER, (int) (size - HEADER));
            CRC32C sum = new CRC32C();
            sum.update(content.duplicate());
            if (sum.getValue() != all.getLong(24)) {
                throw corrupt(file, "the checksum of its content does not match");
            }
            content.order(ByteOrder.LITTLE_ENDIAN);
            return content;
        } catch (IOException e) {
            if (!Files.exists(file)) {
                throw corrupt(file, "the file is missing");
            }
            throw new QuernException(ExitCode.FAILED, file + ": can not be read (" + e.getMessage() + ")", e);
        }
    }

    private static QuernException corrupt(Path file, String found) {
        return QuernException.failed(
                "%s: the token shard is corrupt (%s); delete the folder %s and run again to rebuild it",
                file, found, file.getParent());
    }
}
