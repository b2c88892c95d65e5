package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DurableFilesTest {
    @TempDir
    Path folder;

    @Test
    void writesAndReplaces() throws IOException {
        Path file = folder.resolve("a.txt");
        DurableFiles.write(file, utf8("one"));
        assertEquals("one", Files.readString(file));
        DurableFiles.write(file, channel -> DurableFiles.writeFully(channel, ByteBuffer.wrap(utf8("two"))));
        assertEquals("two", Files.readString(file));
        assertEquals(List.of("a.txt"), names());
    }

    @Test
    void aFailedWriteLeavesTheOldFileAndNoTemporary() throws IOException {
        Path file = folder.resolve("a.txt");
        DurableFiles.write(file, utf8("old"));
        QuernException e = assertThrows(
                QuernException.class,
                () -> DurableFiles.write(file, channel -> {
                    DurableFiles.writeFully(channel, ByteBuffer.wrap(utf8("half")));
                    throw new IOException("Input/output error");
                }));
        assertEquals(ExitCode.FAILED, e.exitCode());
        assertTrue(e.getMessage().contains("a.txt: can't be written: Input/output error"), e.getMessage());
        assertEquals("old", Files.readString(file));
        assertEquals(List.of("a.txt"), names());
    }

    @Test
    void anUncheckedFailureLeavesNoTemporaryEither() {
        Path file = folder.resolve("a.txt");
        assertThrows(
                IllegalStateException.class,
                () -> DurableFiles.write(file, channel -> {
                    throw new IllegalStateException("stop");
                }));
        assertEquals(List.of(), names());
    }

    @Test
    void aFullDiskIsRefusedAndTellsNeededAndFree() {
        Path file = folder.resolve("a.txt");
        QuernException e = assertThrows(
                QuernException.class,
                () -> DurableFiles.write(file, 1000, channel -> {
                    DurableFiles.writeFully(channel, ByteBuffer.wrap(new byte[300]));
                    throw new IOException("No space left on device");
                }));
        assertEquals(ExitCode.REFUSED, e.exitCode());
        assertTrue(e.getMessage().contains("700 bytes needed"), e.getMessage());
        assertTrue(e.getMessage().matches(".* \\d+ bytes free.*"), e.getMessage());
        assertEquals(List.of(), names());
    }

    @Test
    void lessRoomThanNeededIsAFullDiskInAnyLanguage() {
        IOException foreign = new IOException("Auf dem Gerät ist kein Speicherplatz mehr verfügbar");
        assertEquals(
                ExitCode.REFUSED,
                DurableFiles.writeFailure(folder.resolve("a"), Long.MAX_VALUE, foreign)
                        .exitCode());
        assertEquals(
                ExitCode.FAILED,
                DurableFiles.writeFailure(folder.resolve("a"), 1, foreign).exitCode());
    }

    @Test
    void recognisesAFullDiskThroughItsWrappers() {
        assertTrue(DurableFiles.isDiskFull(new IOException("No space left on device")));
        assertTrue(DurableFiles.isDiskFull(new FileSystemException("f", null, "Disk quota exceeded")));
        assertTrue(
                DurableFiles.isDiskFull(new IOException("closing failed", new IOException("No space left on device"))));
        assertFalse(DurableFiles.isDiskFull(new IOException("Input/output error")));
        assertFalse(DurableFiles.isDiskFull(new IOException((String) null)));
    }

    @Test
    void aMissingFolderIsNamed() {
        Path file = folder.resolve("no/a.txt");
        QuernException e = assertThrows(QuernException.class, () -> DurableFiles.write(file, utf8("x")));
        assertEquals(ExitCode.FAILED, e.exitCode());
        assertTrue(e.getMessage().contains("no such file or folder"), e.getMessage());
    }

    @Test
    void aFileWhereAFolderBelongsIsNamedWithTheWayOut() throws IOException {
        Path file = Files.writeString(folder.resolve("taken"), "x");
        Path below = file.resolve("deep/a.txt");
        for (Path target : List.of(file, below)) {
            IOException refused = assertThrows(IOException.class, () -> Files.createDirectories(target));
            QuernException e = DurableFiles.writeFailure(target, -1, refused);
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertEquals(
                    target + ": can't be written: " + file
                            + " is a file, expected a folder; name another one or move the file away",
                    e.getMessage());
        }
        assertEquals(
                ExitCode.FAILED,
                DurableFiles.writeFailure(file, -1, new IOException("Input/output error"))
                        .exitCode());
    }

    @Test
    void replacesADirectory() throws IOException {
        Path target = tree("checkpoint", "old");
        Path temp = tree("fresh", "new");
        DurableFiles.replaceDirectory(temp, target);
        assertEquals("new", Files.readString(target.resolve("deep/file")));
        assertEquals(List.of("checkpoint"), names());

        DurableFiles.replaceDirectory(tree("fresh", "first"), folder.resolve("other"));
        assertEquals("first", Files.readString(folder.resolve("other/deep/file")));
    }

    @Test
    void recoversFromACrashBetweenTheRenames() throws IOException {
        tree(".checkpoint.replaced", "old");
        Path target = folder.resolve("checkpoint");
        DurableFiles.recoverDirectory(target);
        assertEquals("old", Files.readString(target.resolve("deep/file")));
        assertEquals(List.of("checkpoint"), names());
    }

    @Test
    void sweepsTheOldDirectoryAfterACrashBehindTheRenames() throws IOException {
        tree(".checkpoint.replaced", "old");
        Path target = tree("checkpoint", "new");
        DurableFiles.recoverDirectory(target);
        assertEquals("new", Files.readString(target.resolve("deep/file")));
        assertEquals(List.of("checkpoint"), names());
    }

    @Test
    void aDirectoryThatIsNotThereReplacesNothing() throws IOException {
        Path target = tree("checkpoint", "old");
        assertThrows(QuernException.class, () -> DurableFiles.replaceDirectory(folder.resolve("none"), target));
        assertEquals("old", Files.readString(target.resolve("deep/file")));
    }

    @Test
    void deletesATreeButNotWhatALinkPointsTo() throws IOException {
        Path kept = tree("kept", "kept");
        Path root = tree("root", "gone");
        Files.createSymbolicLink(root.resolve("link"), kept);
        DurableFiles.deleteTree(root);
        DurableFiles.deleteTree(folder.resolve("never"));
        assertEquals(List.of("kept"), names());
        assertEquals("kept", Files.readString(kept.resolve("deep/file")));
    }

    @Test
    void hashesAsTheStandardSays() throws IOException {
        Path file = folder.resolve("abc");
        Files.writeString(file, "abc");
        // The example of FIPS 180-4.
        assertEquals("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", DurableFiles.sha256(file));
        QuernException e = assertThrows(QuernException.class, () -> DurableFiles.sha256(folder.resolve("none")));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
    }

    @Test
    void aTemporaryFileIsRecognised() {
        Path[] seen = new Path[1];
        DurableFiles.write(folder.resolve("a.txt"), channel -> seen[0] = folder.resolve(names().getFirst()));
        assertTrue(DurableFiles.isTemporary(seen[0]), seen[0].toString());
        assertFalse(DurableFiles.isTemporary(folder.resolve("a.txt")));
    }

    private Path tree(String name, String content) throws IOException {
        Path root = folder.resolve(name);
        Files.createDirectories(root.resolve("deep"));
        Files.writeString(root.resolve("deep/file"), content);
        return root;
    }

    private List<String> names() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
