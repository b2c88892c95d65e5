package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.SafetensorsFile.Entry;
import quern.testkit.Faults;
import quern.testkit.FaultyFileSystem;

class SafetensorsFaultTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @EnumSource(
            value = Faults.Error.class,
            names = {"ENOSPC", "EIO"})
    void whicheverOperationFailsTheFileIsOldOrNew(Faults.Error error) throws IOException {
        List<Entry> old = List.of(SafetensorsWriterTest.bytes("old", 5));
        List<Entry> fresh = List.of(SafetensorsWriterTest.bytes("new", 7), SafetensorsWriterTest.bytes("more", 9));
        Path real = folder.resolve("model.safetensors");
        boolean done = false;
        int failures = 0;
        for (int n = 1; !done; n++) {
            SafetensorsWriter.write(real, old, Map.of());
            Faults faults = new Faults().failNthChange(n, error);
            try {
                SafetensorsWriter.write(new FaultyFileSystem(faults).wrap(real), fresh, Map.of());
                done = true;
            } catch (QuernException e) {
                failures++;
                assertEquals(
                        error == Faults.Error.ENOSPC ? ExitCode.REFUSED : ExitCode.FAILED,
                        e.exitCode(),
                        e.getMessage());
                assertTrue(e.getMessage().contains("model.safetensors"), e.getMessage());
            }
            try (SafetensorsFile file = SafetensorsFile.open(real)) {
                List<String> names = file.names();
                assertTrue(names.equals(List.of("old")) || names.equals(List.of("more", "new")), names.toString());
            }
            assertEquals(List.of("model.safetensors"), files());
            assertEquals(0, faults.openChannels());
        }
        // Open, header, two tensors, force, move, force of the folder.
        assertEquals(7, failures);
    }

    @Test
    void aDiskThatFillsUpIsToldWithBytesNeededAndFree() {
        int size = 3_000_000;
        Entry large = new Entry("a", "U8", new long[] {size}, MemorySegment.ofArray(new byte[size]));
        Faults faults = new Faults().diskFullAfter(1_000_000);
        Path target = new FaultyFileSystem(faults).wrap(folder.resolve("model.safetensors"));
        QuernException e =
                assertThrows(QuernException.class, () -> SafetensorsWriter.write(target, List.of(large), Map.of()));
        assertEquals(ExitCode.REFUSED, e.exitCode());
        assertTrue(
                e.getMessage()
                        .matches(".*model.safetensors: the disk is full: 2000\\d{3} bytes needed, 0 bytes free.*"),
                e.getMessage());
        assertEquals(List.of(), files());
    }

    @Test
    void aFolderOfShardsThatFailsHasNoIndexOfMissingShards() throws IOException {
        List<Entry> tensors = List.of(
                SafetensorsWriterTest.bytes("a", 10),
                SafetensorsWriterTest.bytes("b", 10),
                SafetensorsWriterTest.bytes("c", 10));
        boolean done = false;
        for (int n = 1; !done; n++) {
            Path real = Files.createDirectory(folder.resolve("model" + n));
            Faults faults = new Faults().failNthChange(n, Faults.Error.EIO);
            try {
                SafetensorsFolder.write(new FaultyFileSystem(faults).wrap(real), tensors, Map.of(), 10);
                done = true;
            } catch (QuernException e) {
                assertEquals(ExitCode.FAILED, e.exitCode(), e.getMessage());
            }
            if (Files.exists(real.resolve(SafetensorsFolder.INDEX_FILE))) {
                try (SafetensorsFolder weights = SafetensorsFolder.open(real)) {
                    assertEquals(List.of("a", "b", "c"), weights.names());
                }
            }
        }
    }

    private List<String> files() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
