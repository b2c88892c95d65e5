package quern.testkit;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.Objects;
import quern.testkit.Faults.Operation;

/** A channel whose reads, writes, cuts and forces pass the rules of {@link Faults}. */
final class FaultyFileChannel extends FileChannel {
    private static final int TRANSFER = 1 << 16;

    private final FileChannel delegate;
    private final Path path;
    private final Faults faults;

    FaultyFileChannel(FileChannel delegate, Path path, Faults faults) {
        this.delegate = delegate;
        this.path = path;
        this.faults = faults;
        faults.opened();
    }

    /** A read or write of the real channel, at its position or at a given one. */
    private interface Transfer {
        int apply(ByteBuffer buffer) throws IOException;
    }

    private int write(ByteBuffer source, Transfer transfer) throws IOException {
        int allowed = faults.beforeWrite(path, source.remaining());
        int written = limited(source, allowed, transfer);
        faults.wrote(path, written);
        return written;
    }

    private int read(ByteBuffer target, Transfer transfer) throws IOException {
        return limited(target, faults.beforeRead(path, target.remaining()), transfer);
    }

    private static int limited(ByteBuffer buffer, int allowed, Transfer transfer) throws IOException {
        int limit = buffer.limit();
        buffer.limit(buffer.position() + allowed);
        try {
            return transfer.apply(buffer);
        } finally {
            buffer.limit(limit);
        }
    }

    @Override
    public int read(ByteBuffer target) throws IOException {
        return read(target, delegate::read);
    }

    @Override
    public int read(ByteBuffer target, long position) throws IOException {
        return read(target, buffer -> delegate.read(buffer, position));
    }

    @Override
    public long read(ByteBuffer[] targets, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, targets.length);
        long total = 0;
        for (int i = offset; i < offset + length; i++) {
            int wanted = targets[i].remaining();
            int n = wanted == 0 ? 0 : read(targets[i]);
            if (n < 0) {
                return total == 0 ? -1 : total;
            }
            total += n;
            if (n < wanted) {
                return total;
            }
        }
        return total;
    }

    @Override
    public int write(ByteBuffer source) throws IOException {
        return write(source, delegate::write);
    }

    @Override
    public int write(ByteBuffer source, long position) throws IOException {
        return write(source, buffer -> delegate.write(buffer, position));
    }

    @Override
    public long write(ByteBuffer[] sources, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, sources.length);
        long total = 0;
        for (int i = offset; i < offset + length; i++) {
            int wanted = sources[i].remaining();
            int n = write(sources[i]);
            total += n;
            if (n < wanted) {
                return total;
            }
        }
        return total;
    }

    @Override
    public long position() throws IOException {
        return delegate.position();
    }

    @Override
    public FileChannel position(long newPosition) throws IOException {
        delegate.position(newPosition);
        return this;
    }

    @Override
    public long size() throws IOException {
        return delegate.size();
    }

    @Override
    public FileChannel truncate(long size) throws IOException {
        faults.before(Operation.TRUNCATE, path);
        delegate.truncate(size);
        return this;
    }

    @Override
    public void force(boolean metaData) throws IOException {
        faults.before(Operation.FORCE, path);
        delegate.force(metaData);
    }

    @Override
    public long transferTo(long position, long count, WritableByteChannel target) throws IOException {
        int allowed = faults.beforeRead(path, (int) Math.min(count, Integer.MAX_VALUE));
        return delegate.transferTo(position, allowed, target);
    }

    @Override
    public long transferFrom(ReadableByteChannel source, long position, long count) throws IOException {
        if (position > size()) {
            return 0;
        }
        ByteBuffer buffer = ByteBuffer.allocate((int) Math.min(count, TRANSFER));
        long total = 0;
        while (total < count) {
            buffer.clear().limit((int) Math.min(count - total, TRANSFER));
            if (source.read(buffer) <= 0) {
                break;
            }
            buffer.flip();
            // What was taken from the source must reach the file: a short write is carried on with.
            while (buffer.hasRemaining()) {
                total += write(buffer, position + total);
            }
        }
        return total;
    }

    @Override
    public MappedByteBuffer map(MapMode mode, long position, long size) throws IOException {
        return delegate.map(mode, position, size);
    }

    @Override
    public MemorySegment map(MapMode mode, long offset, long size, Arena arena) throws IOException {
        return delegate.map(mode, offset, size, arena);
    }

    @Override
    public FileLock lock(long position, long size, boolean shared) throws IOException {
        return new HeldLock(delegate.lock(position, size, shared));
    }

    @Override
    public FileLock tryLock(long position, long size, boolean shared) throws IOException {
        FileLock lock = delegate.tryLock(position, size, shared);
        return lock == null ? null : new HeldLock(lock);
    }

    @Override
    protected void implCloseChannel() throws IOException {
        faults.closed();
        delegate.close();
    }

    /** A lock of the real channel that names this one as its channel. */
    private final class HeldLock extends FileLock {
        private final FileLock lock;

        HeldLock(FileLock lock) {
            super(FaultyFileChannel.this, lock.position(), lock.size(), lock.isShared());
            this.lock = lock;
        }

        @Override
        public boolean isValid() {
            return lock.isValid();
        }

        @Override
        public void release() throws IOException {
            lock.release();
        }
    }
}
