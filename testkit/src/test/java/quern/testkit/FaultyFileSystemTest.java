package quern.testkit;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.testkit.Faults.Operation;

class FaultyFileSystemTest {
    @TempDir
    Path real;

    private final Faults faults = new Faults();
    private final FaultyFileSystem fileSystem = new FaultyFileSystem(faults);

    @AfterEach
    void nothingStaysOpen() {
        assertEquals(0, faults.openChannels());
    }

    private Path folder() {
        return fileSystem.wrap(real);
    }

    /** A save as careful code does it: temporary file, fsync, rename, fsync of the folder, tidy up on failure. */
    private static void save(Path folder, byte[] content) throws IOException {
        Path temporary = folder.resolve("state.tmp");
        try {
            try (FileChannel channel = FileChannel.open(
                    temporary,
                    StandardOpenOption.CREATE,
                    StandardOpenOption.WRITE,
                    StandardOpenOption.TRUNCATE_EXISTING)) {
                ByteBuffer bytes = ByteBuffer.wrap(content);
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
                channel.force(true);
            }
            Files.move(temporary, folder.resolve("state"), StandardCopyOption.ATOMIC_MOVE);
            try (FileChannel directory = FileChannel.open(folder)) {
                directory.force(true);
            }
        } catch (IOException e) {
            try {
                Files.deleteIfExists(temporary);
            } catch (IOException second) {
                e.addSuppressed(second);
            }
            throw e;
        }
    }

    @Test
    void withoutRulesItIsTheRealFileSystem() throws IOException {
        Path file = folder().resolve("a").resolve("b.txt");
        Files.createDirectories(file.getParent());
        Files.writeString(file, "one\n");
        Files.writeString(file, "two\n", StandardOpenOption.APPEND);
        assertEquals("one\ntwo\n", Files.readString(real.resolve("a/b.txt")));
        assertEquals(List.of("one", "two"), Files.readAllLines(file));
        assertThrows(FileAlreadyExistsException.class, () -> Files.createDirectory(file.getParent()));
        assertThrows(NoSuchFileException.class, () -> Files.newInputStream(folder().resolve("none")));
        Files.copy(file, folder().resolve("c.txt"));
        Files.createSymbolicLink(folder().resolve("link"), folder().resolve("c.txt"));
        assertTrue(Files.isSymbolicLink(real.resolve("link")));
        assertTrue(Files.isSameFile(folder().resolve("link"), folder().resolve("c.txt")));
        try (Stream<Path> walked = Files.walk(folder())) {
            Set<String> names = new TreeSet<>(
                    walked.map(path -> folder().relativize(path).toString()).toList());
            assertEquals(Set.of("", "a", "a/b.txt", "c.txt", "link"), names);
        }
        try (DirectoryStream<Path> texts = Files.newDirectoryStream(folder(), "*.txt")) {
            texts.forEach(path -> assertEquals(folder().resolve("c.txt"), path));
        }
        assertTrue(Files.size(file) == 8 && Files.isRegularFile(file));
        Path temporary = Files.createTempDirectory(folder(), "tmp");
        assertTrue(Files.isDirectory(FaultyFileSystem.unwrap(temporary)));
        assertThrows(UnsupportedOperationException.class, file::toFile);
    }

    @Test
    void pathsComposeAsRealOnes() {
        Path base = folder();
        assertEquals(base.resolve("x/y"), base.resolve("x").resolve("y"));
        assertEquals(base, base.resolve("x/..").normalize());
        assertEquals("y", base.resolve("x/y").getFileName().toString());
        assertEquals(base.resolve("x"), base.resolve("x/y").getParent());
        assertEquals(base.resolve("z"), base.resolve("y").resolveSibling("z"));
        assertTrue(base.resolve("x").startsWith(base) && base.resolve("x").endsWith("x"));
        assertEquals(real.toUri(), base.toUri());
        assertSameText(real, base);
        assertTrue(fileSystem.getPathMatcher("glob:**/*.json").matches(base.resolve("a.json")));
        // A real path resolved against a wrapped one stays under the rules.
        assertEquals(fileSystem, base.resolve(Path.of("x")).getFileSystem());
    }

    private static void assertSameText(Path expected, Path actual) {
        assertEquals(expected.toString(), actual.toString());
        assertEquals(expected.hashCode(), actual.hashCode());
    }

    @Test
    void theNthWriteFailsThroughEveryDoor() throws IOException {
        faults.failNth(Operation.WRITE, 2, Faults.Error.EIO);
        Path file = folder().resolve("f");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            assertEquals(3, channel.write(ByteBuffer.wrap("abc".getBytes(UTF_8))));
            IOException e =
                    assertThrows(IOException.class, () -> channel.write(ByteBuffer.wrap("def".getBytes(UTF_8)), 3));
            assertEquals("Input/output error", e.getMessage());
            assertEquals(3, channel.write(new ByteBuffer[] {ByteBuffer.wrap("ghi".getBytes(UTF_8))}));
        }
        assertEquals("abcghi", Files.readString(real.resolve("f")));
        faults.failNth(Operation.WRITE, faults.count(Operation.WRITE) + 1, Faults.Error.ENOSPC);
        try (OutputStream stream = Files.newOutputStream(file)) {
            IOException e = assertThrows(IOException.class, () -> stream.write(new byte[10]));
            assertEquals("No space left on device", e.getMessage());
        }
        faults.failFrom(Operation.WRITE, faults.count(Operation.WRITE) + 1, Faults.Error.EDQUOT);
        assertThrows(IOException.class, () -> Files.writeString(file, "x"));
        assertThrows(IOException.class, () -> Files.writeString(file, "x"));
        faults.heal();
        Files.writeString(file, "healed");
        assertEquals("healed", Files.readString(file));
    }

    @Test
    void aFullDiskWritesShortThenFailsUntilHealed() throws IOException {
        faults.diskFullAfter(10);
        assertEquals(10, Files.getFileStore(folder()).getUsableSpace());
        Path file = folder().resolve("f");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            ByteBuffer bytes = ByteBuffer.allocate(16);
            assertEquals(10, channel.write(bytes));
            assertEquals(6, bytes.remaining());
            IOException e = assertThrows(IOException.class, () -> channel.write(bytes));
            assertEquals("No space left on device", e.getMessage());
            assertThrows(IOException.class, () -> channel.write(ByteBuffer.allocate(1)));
        }
        assertEquals(10, Files.size(real.resolve("f")));
        assertEquals(10, faults.bytesWritten());
        assertEquals(0, Files.getFileStore(folder()).getUsableSpace());
        Files.delete(file);
        assertThrows(IOException.class, () -> Files.writeString(file, "x"));
        faults.heal();
        Files.writeString(file, "x");
    }

    @Test
    void everyOtherOperationCanFail() throws IOException {
        Path file = Files.writeString(folder().resolve("f"), "text");
        faults.failNth(Operation.MOVE, 1, Faults.Error.EIO)
                .failNth(Operation.FORCE, 2, Faults.Error.EIO)
                .failNth(Operation.CREATE_DIRECTORY, 1, Faults.Error.ENOSPC)
                .failNth(Operation.OPEN_WRITE, faults.count(Operation.OPEN_WRITE) + 1, Faults.Error.EROFS)
                .failNth(Operation.DELETE, 1, Faults.Error.EACCES)
                .failNth(Operation.COPY, 1, Faults.Error.ENOSPC)
                .failNth(Operation.LINK, 1, Faults.Error.ENOSPC)
                .failNth(Operation.TRUNCATE, 1, Faults.Error.EIO)
                .failNth(Operation.READ, 1, Faults.Error.EIO);
        Path other = folder().resolve("g");
        assertThrows(IOException.class, () -> Files.move(file, other));
        assertThrows(IOException.class, () -> Files.createDirectory(other));
        assertThrows(IOException.class, () -> Files.createFile(other));
        assertThrows(IOException.class, () -> Files.delete(file));
        assertThrows(IOException.class, () -> Files.copy(file, other));
        assertThrows(IOException.class, () -> Files.createLink(other, file));
        assertThrows(IOException.class, () -> Files.readString(file));
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(false);
            assertThrows(IOException.class, () -> channel.force(false));
            assertThrows(IOException.class, () -> channel.truncate(1));
        }
        assertFalse(Files.exists(real.resolve("g")));
        assertEquals("text", Files.readString(file));
        Files.move(file, other);
        assertTrue(Files.exists(real.resolve("g")));
    }

    @Test
    void shortReadsLoseNothing() throws IOException {
        byte[] content = "a text that takes several reads".getBytes(UTF_8);
        Path file = Files.write(folder().resolve("f"), content);
        faults.shortReads(4);
        assertArrayEquals(content, Files.readAllBytes(file));
        assertTrue(faults.count(Operation.READ) > content.length / 4);
        try (FileChannel channel = FileChannel.open(file);
                InputStream stream = Files.newInputStream(file)) {
            assertEquals(4, channel.read(ByteBuffer.allocate(100)));
            assertEquals(4, channel.read(new ByteBuffer[] {ByteBuffer.allocate(9), ByteBuffer.allocate(9)}));
            assertArrayEquals(content, stream.readAllBytes());
        }
    }

    @Test
    void mappingsLocksAndTransfersWork() throws IOException {
        Path file = Files.writeString(folder().resolve("f"), "0123456789");
        try (Arena arena = Arena.ofConfined();
                FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
                FileLock lock = channel.tryLock()) {
            MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 2, 4, arena);
            assertEquals('5', mapped.get(ValueLayout.JAVA_BYTE, 3));
            assertEquals('0', channel.map(FileChannel.MapMode.READ_ONLY, 0, 1).get(0));
            assertTrue(lock.isValid());
            Path copy = folder().resolve("copy");
            try (FileChannel target = FileChannel.open(copy, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                assertEquals(10, target.transferFrom(channel, 0, 10));
                assertEquals(3, channel.transferTo(0, 3, target));
            }
            // transferFrom writes at the place it is given and leaves the position, where transferTo then writes.
            assertEquals("0123456789", Files.readString(copy));
        }
    }

    @Test
    void onlyLimitsRulesAndCountsToMatchingPaths() throws IOException {
        faults.only("**/checkpoint-*/**").failFrom(Operation.WRITE, 1, Faults.Error.ENOSPC);
        Files.writeString(folder().resolve("log"), "fine");
        Path checkpoint = Files.createDirectory(folder().resolve("checkpoint-5"));
        assertThrows(IOException.class, () -> Files.writeString(checkpoint.resolve("weights"), "x"));
        assertEquals(1, faults.count(Operation.WRITE));
    }

    @Test
    void aSaveThatFailsAnywhereLeavesOldOrNewContent() throws IOException {
        byte[] before = "old".getBytes(UTF_8);
        byte[] after = "new content".getBytes(UTF_8);
        save(folder(), before);
        long changes = faults.changes();
        for (long n = 1; n <= changes; n++) {
            faults.heal();
            save(folder(), before);
            faults.failNthChange(faults.changes() + n, Faults.Error.EIO);
            assertThrows(IOException.class, () -> save(folder(), after), "change " + n + " must fail");
            String left = Files.readString(real.resolve("state"));
            assertTrue(left.equals("old") || left.equals("new content"), "left after change " + n + ": " + left);
            assertFalse(Files.exists(real.resolve("state.tmp")), "temporary file left after change " + n);
        }
        assertTrue(changes >= 5, "open, write, force, move and force are five changes");
    }

    @Test
    void theJournalShowsTheOrder() throws IOException {
        save(folder(), new byte[7]);
        List<Operation> order =
                faults.journal().stream().map(Faults.Event::operation).toList();
        assertEquals(
                List.of(Operation.OPEN_WRITE, Operation.WRITE, Operation.FORCE, Operation.MOVE, Operation.FORCE),
                order);
        assertEquals(7, faults.journal().get(1).bytes());
        assertEquals(real.resolve("state"), faults.journal().get(3).path());
    }

    @Test
    void rulesAreReadFromText() throws IOException {
        Faults parsed = Faults.parse("WRITE:2:EIO; FORCE:1+:ENOSPC;room:100;short_reads:3;only:**/f");
        FaultyFileSystem other = new FaultyFileSystem(parsed);
        Path file = other.wrap(real).resolve("f");
        Files.write(file, new byte[8]);
        assertThrows(IOException.class, () -> Files.write(file, new byte[8]));
        assertEquals(92, Files.getFileStore(file).getUsableSpace());
        for (String wrong : List.of("WRITE:0:EIO", "WRIT:1:EIO", "WRITE:1:EWRONG", "WRITE", "room:-1", "room:x")) {
            IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> Faults.parse(wrong));
            assertTrue(e.getMessage().contains(wrong), e.getMessage());
        }
    }

    @Test
    void aChildJvmRunsOnAFaultyDefaultFileSystem() throws IOException {
        ChildJvm.Result result = ChildJvm.of(SavingChild.class, real.toString())
                .jvmArgs(FaultyFileSystem.jvmArgs("only:" + real + "/**;room:5"))
                .run(Duration.ofSeconds(60));
        assertEquals(0, result.exitCode(), result.stderr());
        assertEquals("No space left on device, 5 bytes usable before\n", result.stdout());
        assertEquals(5, Files.size(real.resolve("file")));
    }

    /** Writes ten bytes by paths made from text, as a command does. */
    static final class SavingChild {
        public static void main(String[] args) throws IOException {
            long usable = Files.getFileStore(Path.of(args[0])).getUsableSpace();
            try {
                Files.write(Path.of(args[0], "file"), new byte[10]);
                System.out.println("written");
            } catch (IOException e) {
                System.out.println(e.getMessage() + ", " + usable + " bytes usable before");
            }
            if (!Path.of(args[0]).toFile().isDirectory()) {
                throw new IllegalStateException("paths of the default file system have a java.io.File");
            }
        }
    }
}
