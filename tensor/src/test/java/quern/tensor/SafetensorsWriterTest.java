package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.QuernException;
import quern.tensor.SafetensorsFile.Entry;

class SafetensorsWriterTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void writesTheReferencesBytesInWhateverOrderTensorsCome(long seed) throws IOException {
        byte[] expected = SafetensorsFileTest.referenceFile();
        Path source = Files.write(folder.resolve("source"), expected);
        Path target = folder.resolve("target");
        try (SafetensorsFile file = SafetensorsFile.open(source)) {
            List<Entry> entries =
                    new ArrayList<>(file.names().stream().map(file::entry).toList());
            Collections.shuffle(entries, new Random(seed));
            SafetensorsWriter.write(target, entries, file.metadata());
        }
        assertArrayEquals(expected, Files.readAllBytes(target));
    }

    @Test
    void theDataStartsAtAMultipleOfEight() throws IOException {
        for (int length = 1; length <= 9; length++) {
            Path target = folder.resolve("aligned" + length);
            SafetensorsWriter.write(target, List.of(bytes("n".repeat(length), 3)), Map.of());
            byte[] written = Files.readAllBytes(target);
            assertEquals(0, (written.length - 3) % 8);
            try (SafetensorsFile file = SafetensorsFile.open(target)) {
                assertEquals(List.of("n".repeat(length)), file.names());
            }
        }
    }

    @Test
    void heapSegmentsOfAnyKindAndLargeOnesComeBack() throws IOException {
        // Longer than two chunks, and no multiple of one.
        float[] large = new float[(17 << 18) + 3];
        Random random = new Random(1);
        for (int i = 0; i < large.length; i++) {
            large[i] = random.nextFloat();
        }
        Path target = folder.resolve("heap");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment off = arena.allocateFrom(ValueLayout.JAVA_FLOAT, large);
            SafetensorsWriter.write(
                    target,
                    List.of(
                            new Entry("heap", "F32", new long[] {large.length}, MemorySegment.ofArray(large)),
                            new Entry("native", "F32", new long[] {large.length}, off),
                            new Entry("long", "I64", new long[] {}, MemorySegment.ofArray(new long[] {-5}))),
                    Map.of("format", "pt", "text", "a\"\\\n\u0001é"));
        }
        try (SafetensorsFile file = SafetensorsFile.open(target)) {
            assertArrayEquals(large, file.entry("heap").bytes().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
            assertArrayEquals(large, file.entry("native").bytes().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
            assertEquals(-5, file.entry("long").bytes().get(ValueLayout.JAVA_LONG_UNALIGNED, 0));
            assertEquals(Map.of("format", "pt", "text", "a\"\\\n\u0001é"), file.metadata());
        }
    }

    @Test
    void wrongEntriesAreNamedAndNothingIsLeft() {
        Path target = folder.resolve("wrong");
        expect("two tensors are named 'a'", target, bytes("a", 1), bytes("a", 1));
        expect(
                "tensor 'a' has 3 bytes, but F32 of shape [1] takes 4",
                target,
                new Entry("a", "F32", new long[] {1}, MemorySegment.ofArray(new byte[3])));
        expect(
                "tensor 'a' has the dtype 'float'",
                target,
                new Entry("a", "float", new long[] {1}, MemorySegment.ofArray(new byte[4])));
        expect(
                "tensor 'a' has 4 bytes",
                target,
                new Entry("a", "U8", new long[] {-4}, MemorySegment.ofArray(new byte[4])));
        expect("can't be a tensor's name", target, bytes("__metadata__", 1));
        expect("can't be a tensor's name", target, bytes("\ud800", 1));
        assertEquals(0, count());
    }

    @Test
    void aFolderInTheWayIsNamed() throws IOException {
        Path target = Files.createDirectory(folder.resolve("taken"));
        Files.writeString(target.resolve("x"), "x");
        QuernException e = assertThrows(
                QuernException.class, () -> SafetensorsWriter.write(target, List.of(bytes("a", 1)), Map.of()));
        assertTrue(e.getMessage().contains("taken"), e.getMessage());
        assertEquals(1, count());
    }

    static Entry bytes(String name, int count) {
        byte[] content = new byte[count];
        byte[] text = name.getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < count; i++) {
            content[i] = text[i % text.length];
        }
        return new Entry(name, "U8", new long[] {count}, MemorySegment.ofArray(content));
    }

    private void expect(String message, Path target, Entry... entries) {
        QuernException e =
                assertThrows(QuernException.class, () -> SafetensorsWriter.write(target, List.of(entries), Map.of()));
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    private long count() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.count();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
