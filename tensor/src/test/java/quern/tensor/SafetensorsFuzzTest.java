package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import quern.recipe.QuernException;

/** Whatever the bytes, opening either gives a readable file or one {@link QuernException} on one line. */
class SafetensorsFuzzTest {
    private static final String[] PIECES = {
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"a\"",
        "\"__metadata__\"",
        "\"dtype\"",
        "\"shape\"",
        "\"data_offsets\"",
        "\"F32\"",
        "\"BF16\"",
        "0",
        "4",
        "-1",
        "1e99",
        "99999999999999999999999",
        "null",
        "true",
        "\"\\u0000\"",
        "\"\\ud800\"",
        " ",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        "\u0000",
        "é"
    };

    private static Path file;

    @BeforeContainer
    static void makeFile() throws IOException {
        file = Files.createTempFile("fuzz", ".safetensors");
    }

    @AfterContainer
    static void deleteFile() throws IOException {
        Files.deleteIfExists(file);
    }

    @Property(tries = 500)
    void randomBytes(@ForAll byte[] bytes) throws IOException {
        openAndReadAll(bytes);
    }

    @Property(tries = 1000)
    void randomHeaders(@ForAll("headers") String json, @ForAll @IntRange(max = 16) int dataBytes) throws IOException {
        openAndReadAll(SafetensorsFileTest.file(json, new byte[dataBytes]));
    }

    @Property(tries = 1000)
    void damagedFiles(@ForAll long seed) throws IOException {
        Random random = new Random(seed);
        byte[] bytes = SafetensorsFileTest.referenceFile();
        int flips = 1 + random.nextInt(4);
        for (int i = 0; i < flips; i++) {
            bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
        }
        openAndReadAll(random.nextBoolean() ? bytes : Arrays.copyOf(bytes, random.nextInt(bytes.length)));
    }

    @Property(tries = 500)
    void randomIndexes(@ForAll("headers") String json) throws IOException {
        Path folder = Files.createTempDirectory("index");
        try {
            Files.writeString(folder.resolve(SafetensorsFolder.INDEX_FILE), json);
            SafetensorsFolder.open(folder).close();
        } catch (QuernException e) {
            assertEquals(1, e.getMessage().lines().count(), e.getMessage());
        } finally {
            Files.deleteIfExists(folder.resolve(SafetensorsFolder.INDEX_FILE));
            Files.delete(folder);
        }
    }

    @Provide
    Arbitrary<String> headers() {
        Arbitrary<String> pieces = Arbitraries.of(PIECES).list().ofMaxSize(30).map(list -> String.join("", list));
        return Arbitraries.oneOf(pieces.map(s -> "{" + s), pieces);
    }

    private static void openAndReadAll(byte[] bytes) throws IOException {
        Files.write(file, bytes);
        try (SafetensorsFile opened = SafetensorsFile.open(file)) {
            long data = 0;
            for (String name : opened.names()) {
                SafetensorsFile.Entry entry = opened.entry(name);
                data += entry.bytes().toArray(ValueLayout.JAVA_BYTE).length;
            }
            if (data > bytes.length) {
                fail("more data than the file holds: " + data);
            }
        } catch (QuernException e) {
            assertEquals(1, e.getMessage().lines().count(), e.getMessage());
        }
    }
}
