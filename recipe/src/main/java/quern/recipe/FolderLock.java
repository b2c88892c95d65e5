package quern.recipe;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * Keeps a folder for one user at a time, in this process and others, by a lock on the file {@code .lock} in it. The
 * operating system ends the lock with the process, so a crash leaves nothing to clear away.
 */
public final class FolderLock implements AutoCloseable {
    private static final String FILE = ".lock";

    private final Path file;
    private final FileChannel channel;
    /** Kept, since the process forgets a lock that nobody refers to, and would give it out again. */
    private final FileLock lock;

    private FolderLock(Path file, FileChannel channel, FileLock lock) {
        this.file = file;
        this.channel = channel;
        this.lock = lock;
    }

    /**
     * Locks a folder.
     *
     * @return the lock; empty when somebody holds it
     * @throws QuernException failed or refused when the file can't be written
     */
    public static Optional<FolderLock> take(Path folder) {
        Path file = folder.resolve(FILE);
        try {
            FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            FileLock lock = null;
            try {
                lock = channel.tryLock();
            } catch (OverlappingFileLockException held) {
                // By this process: as much held as by another.
            } finally {
                if (lock == null) {
                    channel.close();
                }
            }
            return lock == null ? Optional.empty() : Optional.of(new FolderLock(file, channel, lock));
        } catch (IOException e) {
            throw DurableFiles.writeFailure(file, -1, e);
        }
    }

    /** Ends the lock; a second time does nothing. */
    @Override
    public void close() {
        if (!channel.isOpen()) {
            return;
        }
        try {
            lock.release();
            channel.close();
        } catch (IOException e) {
            throw DurableFiles.writeFailure(file, -1, e);
        }
    }
}
