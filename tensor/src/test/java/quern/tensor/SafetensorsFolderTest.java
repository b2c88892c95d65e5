package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.SafetensorsFile.Entry;

class SafetensorsFolderTest {
    private static final Map<String, String> METADATA = Map.of("format", "pt");

    @TempDir
    Path folder;

    @Test
    void oneFileWhenAllFits() {
        SafetensorsFolder.write(folder, sixTensors(), METADATA, 100);
        assertEquals(List.of("model.safetensors"), files());
        checkContent(List.of("a", "b", "c", "d", "e", "f"));
    }

    @Test
    void shardsAndIndexAsHuggingFaceWritesThem() throws IOException {
        SafetensorsFolder.write(folder, sixTensors(), METADATA, 10);
        // In order: a 4 + b 4 fill one; c 12 is larger than a shard and comes first; d 6 + e 4; f.
        assertEquals("""
                {
                  "metadata": {
                    "total_size": 33
                  },
                  "weight_map": {
                    "a": "model-00002-of-00004.safetensors",
                    "b": "model-00002-of-00004.safetensors",
                    "c": "model-00001-of-00004.safetensors",
                    "d": "model-00003-of-00004.safetensors",
                    "e": "model-00003-of-00004.safetensors",
                    "f": "model-00004-of-00004.safetensors"
                  }
                }
                """, Files.readString(folder.resolve("model.safetensors.index.json")));
        checkContent(List.of("a", "b", "c", "d", "e", "f"));
    }

    @Test
    void anEarlierFormIsSwept() throws IOException {
        Files.writeString(folder.resolve("config.json"), "{}");
        SafetensorsFolder.write(folder, sixTensors(), METADATA, 10);
        SafetensorsFolder.write(folder, sixTensors(), METADATA, 100);
        assertEquals(List.of("config.json", "model.safetensors"), files());
        SafetensorsFolder.write(folder, sixTensors(), METADATA, 16);
        assertEquals(
                List.of(
                        "config.json",
                        "model-00001-of-00003.safetensors",
                        "model-00002-of-00003.safetensors",
                        "model-00003-of-00003.safetensors",
                        "model.safetensors.index.json"),
                files());
        checkContent(List.of("a", "b", "c", "d", "e", "f"));
    }

    @Test
    void noTensorsMakeOneFile() {
        SafetensorsFolder.write(folder, List.of(), METADATA, 10);
        assertEquals(List.of("model.safetensors"), files());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../model.safetensors",
                "/tmp/model.safetensors",
                "sub/model.safetensors",
                "..\\\\model.safetensors",
                "c:model.safetensors",
                "pytorch_model.bin",
                "..",
                "",
                "a\\u0000.safetensors"
            })
    void aNameThatLeavesTheFolderIsRefused(String name) throws IOException {
        index("{\"weight_map\":{\"a\":\"" + name + "\"}}");
        refused(ExitCode.FAILED, "the tensor 'a' is said to lie in");
    }

    @Test
    void aLinkOutOfTheFolderIsRefused(@TempDir Path elsewhere) throws IOException {
        SafetensorsWriter.write(elsewhere.resolve("w.safetensors"), sixTensors(), METADATA);
        Files.createSymbolicLink(folder.resolve("w.safetensors"), elsewhere.resolve("w.safetensors"));
        index("{\"weight_map\":{\"a\":\"w.safetensors\"}}");
        refused(ExitCode.FAILED, "outside the folder");

        Files.createSymbolicLink(folder.resolve("model.safetensors"), elsewhere.resolve("w.safetensors"));
        refused(ExitCode.FAILED, "outside the folder");

        Files.delete(folder.resolve("model.safetensors"));
        Files.createSymbolicLink(folder.resolve("model.safetensors"), elsewhere.resolve("none"));
        refused(ExitCode.FAILED, "leads nowhere");
    }

    @Test
    void theLinksOfTheDownloadCacheAreTaken() throws IOException {
        Path snapshot = Files.createDirectories(folder.resolve("models--x/snapshots/0a1b"));
        Path blobs = Files.createDirectories(folder.resolve("models--x/blobs"));
        SafetensorsWriter.write(blobs.resolve("hash"), sixTensors(), METADATA);
        Files.createSymbolicLink(snapshot.resolve("model.safetensors"), Path.of("../../blobs/hash"));
        try (SafetensorsFolder weights = SafetensorsFolder.open(snapshot)) {
            assertEquals(6, weights.names().size());
        }
    }

    @Test
    void aShardThatIsMissingOrLacksATensorIsNamed() throws IOException {
        index("{\"weight_map\":{\"a\":\"s.safetensors\",\"zz\":\"s.safetensors\"}}");
        refused(ExitCode.FAILED, "the shard s.safetensors is missing");
        SafetensorsWriter.write(folder.resolve("s.safetensors"), sixTensors(), METADATA);
        refused(ExitCode.FAILED, "tensor 'zz' is said to lie in s.safetensors, which does not hold it");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "[]",
                "{",
                "{}",
                "{\"weight_map\":[]}",
                "{\"weight_map\":{\"a\":1}}",
                "{\"weight_map\":{\"a\":\"s.safetensors\",\"a\":\"s.safetensors\"}}",
                "{\"weight_map\":{}} {}"
            })
    void aDamagedIndexIsNamed(String json) throws IOException {
        index(json);
        refused(ExitCode.FAILED, "model.safetensors.index.json");
    }

    @Test
    void pickleIsRefusedWithWhatToDo() throws IOException {
        Files.write(folder.resolve("pytorch_model.bin"), new byte[] {1});
        refused(ExitCode.BAD_INPUT, "save_pretrained");
    }

    @Test
    void aFolderWithoutWeightsIsBadInput() {
        refused(ExitCode.BAD_INPUT, "no weights");
        QuernException e = assertThrows(QuernException.class, () -> SafetensorsFolder.open(folder.resolve("none")));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains("no such folder"), e.getMessage());
    }

    @Test
    void wrongCallsAreNamed() {
        assertThrows(QuernException.class, () -> SafetensorsFolder.write(folder, sixTensors(), METADATA, 0));
        assertThrows(
                QuernException.class,
                () -> SafetensorsFolder.write(folder.resolve("none"), sixTensors(), METADATA, 10));
        Entry a = SafetensorsWriterTest.bytes("a", 8);
        QuernException e =
                assertThrows(QuernException.class, () -> SafetensorsFolder.write(folder, List.of(a, a), METADATA, 10));
        assertTrue(e.getMessage().contains("two tensors are named 'a'"), e.getMessage());
    }

    private void checkContent(List<String> names) {
        try (SafetensorsFolder weights = SafetensorsFolder.open(folder)) {
            assertEquals(names, weights.names().stream().sorted().toList());
            assertEquals(METADATA, weights.metadata());
            for (Entry expected : sixTensors()) {
                Entry found = weights.entry(expected.name());
                assertArrayEquals(
                        expected.bytes().toArray(ValueLayout.JAVA_BYTE),
                        found.bytes().toArray(ValueLayout.JAVA_BYTE));
            }
            assertThrows(QuernException.class, () -> weights.entry("none"));
        }
    }

    private void refused(ExitCode code, String message) {
        QuernException e = assertThrows(QuernException.class, () -> SafetensorsFolder.open(folder));
        assertEquals(code, e.exitCode(), e.getMessage());
        assertTrue(e.getMessage().contains(message), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    private void index(String json) throws IOException {
        Files.writeString(folder.resolve(SafetensorsFolder.INDEX_FILE), json);
    }

    private static List<Entry> sixTensors() {
        return List.of(
                SafetensorsWriterTest.bytes("a", 4),
                SafetensorsWriterTest.bytes("b", 4),
                SafetensorsWriterTest.bytes("c", 12),
                SafetensorsWriterTest.bytes("d", 6),
                SafetensorsWriterTest.bytes("e", 4),
                SafetensorsWriterTest.bytes("f", 3));
    }

    private List<String> files() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
