package quern.recipe;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Files and directories that are either wholly there or not there, also after a crash or a loss of power. A file is
 * written beside its target under a temporary name, forced to the disk, renamed over the target in one step, and the
 * directory is forced as well; until the rename the old content stays in place.
 *
 * <p>Everything goes through {@link java.nio.file} on the path that was given, so another file system works alike. A
 * full disk (or a used-up quota) is {@link ExitCode#REFUSED} and tells the bytes needed and free; any other failure is
 * {@link ExitCode#FAILED}. After a failure the temporary file is gone.
 */
public final class DurableFiles {
    private static final String TEMPORARY_SUFFIX = ".tmp";
    private static final String REPLACED_SUFFIX = ".replaced";
    private static final int COPY_BYTES = 1 << 16;
    private static final AtomicLong COUNTER = new AtomicLong();

    private DurableFiles() {}

    /** Writes the content of a new file. */
    @FunctionalInterface
    public interface WriteAction {
        /**
         * Writes to the channel from its start. The channel is closed and forced by the caller.
         *
         * @throws IOException when writing fails; the target is then left as it was
         */
        void write(FileChannel channel) throws IOException;
    }

    /** As {@link #write(Path, long, WriteAction)} for content whose length is not known beforehand. */
    public static void write(Path target, WriteAction action) {
        write(target, -1, action);
    }

    /**
     * Writes a file, or replaces it in one step.
     *
     * @param expectedBytes the length the file will have, for the message when the disk is full; negative when unknown
     * @throws QuernException refused when the disk is full, failed on any other input or output error
     */
    public static void write(Path target, long expectedBytes, WriteAction action) {
        Path temporary = temporarySibling(target);
        boolean done = false;
        try {
            try (FileChannel channel = FileChannel.open(
                    temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.READ)) {
                action.write(channel);
                channel.force(true);
            }
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
            done = true;
        } catch (IOException e) {
            // Measured before the temporary file is deleted: its bytes have found room.
            throw writeFailure(target, missingBytes(temporary, expectedBytes), e);
        } finally {
            if (!done) {
                deleteQuietly(temporary);
            }
        }
        forceRename(target);
    }

    /** Writes the bytes as {@link #write(Path, WriteAction)} does. */
    public static void write(Path target, byte[] content) {
        write(target, content.length, channel -> writeFully(channel, ByteBuffer.wrap(content)));
    }

    /** Writes all that remains in the buffer at the channel's position. */
    public static void writeFully(FileChannel channel, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    /**
     * Puts a finished directory in the place of another (or where none was), on the same file system. Every file below
     * {@code temp} is forced to the disk first.
     *
     * <p>A directory that holds files can't be renamed over, so an old target is renamed aside, the new one renamed in,
     * and the old one deleted. A crash between the two renames leaves the old one aside, whole;
     * {@link #recoverDirectory} brings it back.
     *
     * @throws QuernException failed when {@code temp} is not a directory or a rename fails; the old target is then in
     *     its place again
     */
    public static void replaceDirectory(Path temp, Path target) {
        if (!Files.isDirectory(temp, LinkOption.NOFOLLOW_LINKS)) {
            throw QuernException.failed("%s: not a directory, so it can't take the place of %s", temp, target);
        }
        recoverDirectory(target);
        Path aside = replacedSibling(target);
        boolean moved = false;
        try {
            forceTree(temp);
            if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
                Files.move(target, aside, StandardCopyOption.ATOMIC_MOVE);
                moved = true;
            }
            Files.move(temp, target, StandardCopyOption.ATOMIC_MOVE);
            moved = false;
        } catch (IOException e) {
            throw writeFailure(target, -1, e);
        } finally {
            if (moved) {
                moveQuietly(aside, target);
            }
        }
        forceRename(target);
        deleteTree(aside);
    }

    /**
     * Completes what a crash inside {@link #replaceDirectory} left behind: brings the old directory back when the target
     * is missing, deletes it when the new one is in place. Does nothing otherwise.
     */
    public static void recoverDirectory(Path target) {
        Path aside = replacedSibling(target);
        if (!Files.exists(aside, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            deleteTree(aside);
            return;
        }
        try {
            Files.move(aside, target, StandardCopyOption.ATOMIC_MOVE);
            forceDirectory(parentOf(target));
        } catch (IOException e) {
            throw writeFailure(target, -1, e);
        }
    }

    /** Forces a directory's entries (names made, renamed or deleted in it) to the disk. */
    public static void fsyncDirectory(Path directory) {
        try {
            forceDirectory(directory);
        } catch (IOException e) {
            throw writeFailure(directory, -1, e);
        }
    }

    /**
     * Deletes a file or a directory with all below it; symbolic links are deleted, never followed. A path that is not
     * there is no error.
     */
    public static void deleteTree(Path root) {
        try {
            Files.walkFileTree(root, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    Files.deleteIfExists(file);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
                    if (e instanceof NoSuchFileException) {
                        return FileVisitResult.CONTINUE;
                    }
                    throw e;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path directory, IOException e) throws IOException {
                    if (e != null) {
                        throw e;
                    }
                    Files.deleteIfExists(directory);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            throw new QuernException(ExitCode.FAILED, "%s: can't be deleted: %s".formatted(root, reason(e)), e);
        }
    }

    /**
     * The SHA-256 of a file's content, 64 lower-case hexadecimal digits (FIPS 180-4).
     *
     * @throws QuernException bad input when the file is missing, failed when it can't be read
     */
    public static String sha256(Path file) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            ByteBuffer buffer = ByteBuffer.allocate(COPY_BYTES);
            while (channel.read(buffer.clear()) >= 0) {
                digest.update(buffer.flip());
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchFileException e) {
            throw new QuernException(ExitCode.BAD_INPUT, file + ": no such file; check the path", e);
        } catch (IOException e) {
            throw new QuernException(ExitCode.FAILED, "%s: can't be read: %s".formatted(file, reason(e)), e);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    /**
     * Whether the path has the name of a temporary file of {@link #write}: after a kill such a file may stay behind, and
     * may be deleted when its writer no longer runs.
     */
    public static boolean isTemporary(Path path) {
        String name = String.valueOf(path.getFileName());
        return name.startsWith(".") && name.endsWith(TEMPORARY_SUFFIX);
    }

    /** Whether the failure says that the disk is full or the quota used up. */
    public static boolean isDiskFull(IOException failure) {
        Throwable cause = failure;
        // A cause may name itself through another; four levels are more than any file system wraps.
        for (int level = 0; cause != null && level < 4; level++, cause = cause.getCause()) {
            String text = cause instanceof FileSystemException f && f.getReason() != null
                    ? f.getReason()
                    : String.valueOf(cause.getMessage());
            if (text.contains("No space left on device")
                    || text.contains("Disk quota exceeded")
                    || text.contains("ENOSPC")
                    || text.contains("EDQUOT")
                    || text.contains("not enough space on the disk")) {
                return true;
            }
        }
        return false;
    }

    /**
     * The failure to throw when writing to {@code target} failed.
     *
     * @param neededBytes bytes that still had to find room, negative when unknown
     */
    public static QuernException writeFailure(Path target, long neededBytes, IOException cause) {
        long free = freeBytes(target);
        // A failed write (no subclass) may carry its text in another language; less room than needed says the same.
        boolean tooLittle =
                cause.getClass() == IOException.class && neededBytes >= 0 && free >= 0 && free < neededBytes;
        if (isDiskFull(cause) || tooLittle) {
            String needed = neededBytes < 0 ? "" : ": %d bytes needed".formatted(neededBytes);
            String found = free < 0 ? "" : (neededBytes < 0 ? ": " : ", ") + "%d bytes free".formatted(free);
            return new QuernException(
                    ExitCode.REFUSED,
                    "%s: the disk is full%s%s; what was there before is unchanged: free some space or choose another folder"
                            .formatted(target, needed, found),
                    cause);
        }
        Optional<Path> file = fileInTheWay(target, cause);
        if (file.isPresent()) {
            return new QuernException(
                    ExitCode.BAD_INPUT,
                    "%s: can't be written: %s is a file, expected a folder; name another one or move the file away"
                            .formatted(target, file.get()),
                    cause);
        }
        return new QuernException(ExitCode.FAILED, "%s: can't be written: %s".formatted(target, reason(cause)), cause);
    }

    /** What is no folder though it is to hold the target, or be it. */
    private static Optional<Path> fileInTheWay(Path target, IOException cause) {
        Path at = cause instanceof FileAlreadyExistsException
                ? target
                : target.toAbsolutePath().getParent();
        while (at != null && !Files.exists(at)) {
            at = at.toAbsolutePath().getParent();
        }
        return Optional.ofNullable(at).filter(found -> !Files.isDirectory(found));
    }

    private static String reason(IOException e) {
        String text = switch (e) {
            case NoSuchFileException f -> "no such file or folder: " + f.getFile();
            case AccessDeniedException f -> "permission denied: " + f.getFile();
            case NotDirectoryException f -> "not a folder: " + f.getFile();
            case DirectoryNotEmptyException f -> "the folder is not empty: " + f.getFile();
            case FileSystemException f when f.getReason() != null -> f.getReason();
            default -> e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        };
        return text.replaceAll("\\s+", " ");
    }

    private static long missingBytes(Path temporary, long expectedBytes) {
        if (expectedBytes < 0) {
            return -1;
        }
        try {
            return Math.max(0, expectedBytes - Files.size(temporary));
        } catch (IOException e) {
            return expectedBytes;
        }
    }

    private static long freeBytes(Path target) {
        try {
            return Files.getFileStore(parentOf(target)).getUsableSpace();
        } catch (IOException | UnsupportedOperationException e) {
            return -1;
        }
    }

    private static Path parentOf(Path path) {
        return path.toAbsolutePath().getParent() == null
                ? path
                : path.toAbsolutePath().getParent();
    }

    private static Path temporarySibling(Path target) {
        Path name = target.getFileName();
        if (name == null) {
            throw QuernException.badInput("%s: not a file name; name a file to write", target);
        }
        return target.resolveSibling(".%s.%d-%d%s"
                .formatted(name, ProcessHandle.current().pid(), COUNTER.incrementAndGet(), TEMPORARY_SUFFIX));
    }

    private static Path replacedSibling(Path target) {
        Path name = target.getFileName();
        if (name == null) {
            throw QuernException.badInput("%s: not a folder that can be replaced; name one below it", target);
        }
        return target.resolveSibling("." + name + REPLACED_SUFFIX);
    }

    private static void forceDirectory(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static void forceRename(Path target) {
        try {
            forceDirectory(parentOf(target));
        } catch (IOException e) {
            throw new QuernException(
                    isDiskFull(e) ? ExitCode.REFUSED : ExitCode.FAILED,
                    "%s: written, but its folder can't be forced to the disk: %s; after a loss of power the old content may be back"
                            .formatted(target, reason(e)),
                    e);
        }
    }

    private static void forceTree(Path root) throws IOException {
        Files.walkFileTree(root, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                if (attributes.isRegularFile()) {
                    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                        channel.force(true);
                    }
                }
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path directory, IOException e) throws IOException {
                if (e != null) {
                    throw e;
                }
                forceDirectory(directory);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    private static void deleteQuietly(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            // The failure under way matters more; isTemporary() lets a later run sweep the file.
        }
    }

    private static void moveQuietly(Path from, Path to) {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            // The failure under way matters more; recoverDirectory() repeats this move.
        }
    }
}
