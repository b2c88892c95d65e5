package quern.data.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A prepared folder's description is believed only where it names files of that folder. */
class PreparedFilesTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({
        "documents/part-00000.jsonl.zst, true",
        "documents/../../secret, false",
        "/etc/hostname, false",
        "documents/a\\u0000b, false",
        "other/part.zst, false"
    })
    void namesStayInTheFolder(String name, boolean believed) throws IOException {
        write("[{\"name\": \"%s\", \"documents\": 1, \"plainBytes\": 1, \"bytes\": 1, \"sha256\": \"\"}]"
                .formatted(name));
        assertEquals(believed, PreparedFiles.read(folder).isPresent());
    }

    @ParameterizedTest
    @CsvSource({"null", "[null]", "[{}]", "7"})
    void whatIsNoListOfShardsIsNone(String shards) throws IOException {
        write(shards);
        assertEquals(true, PreparedFiles.read(folder).isEmpty());
    }

    private void write(String shards) throws IOException {
        Files.writeString(
                folder.resolve(PreparedFiles.NAME),
                "{\"key\": \"k\", \"tokenizerKey\": \"\", \"shards\": %s}".formatted(shards));
    }
}
