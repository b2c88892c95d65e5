package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

class SafetensorsFileTest {
    /** What the reference library (0.8.0) writes for one tensor of each type; see {@link SafetensorsWriterTest}. */
    static final String REFERENCE_HEADER = """
            {"__metadata__":{"format":"pt"},"u64":{"dtype":"U64","shape":[1],"data_offsets":[0,8]},\
            "a":{"dtype":"I64","shape":[],"data_offsets":[8,16]},"d":{"dtype":"F64","shape":[1],"data_offsets":[16,24]},\
            "b.x":{"dtype":"F32","shape":[3],"data_offsets":[24,36]},"u32":{"dtype":"U32","shape":[1],"data_offsets":[36,40]},\
            "i":{"dtype":"I32","shape":[3],"data_offsets":[40,52]},"z":{"dtype":"BF16","shape":[2,3],"data_offsets":[52,64]},\
            "é":{"dtype":"F16","shape":[0,4],"data_offsets":[64,64]},"u16":{"dtype":"U16","shape":[1],"data_offsets":[64,66]},\
            "i16":{"dtype":"I16","shape":[1],"data_offsets":[66,68]},"f8":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[68,70]},\
            "f85":{"dtype":"F8_E5M2","shape":[2],"data_offsets":[70,72]},"i8":{"dtype":"I8","shape":[1],"data_offsets":[72,73]},\
            "u":{"dtype":"U8","shape":[1],"data_offsets":[73,74]},"y":{"dtype":"BOOL","shape":[1],"data_offsets":[74,75]}}""";

    static final String REFERENCE_DATA = """
            0100000000000000 0200000000000000 000000000000f03f 000000000000803f00000040 01000000 010000000100000001000000 \
            803f803f803f803f803f803f 0100 0100 3838 3c3c 01 01 01""".replace(" ", "");

    @TempDir
    Path folder;

    static byte[] file(String json, byte[] data) {
        byte[] header = json.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + header.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .put(header)
                .put(data)
                .array();
    }

    /** The length field holds 880, a multiple of eight; the text here has exactly that many bytes. */
    static byte[] referenceFile() {
        return file(REFERENCE_HEADER, HexFormat.of().parseHex(REFERENCE_DATA));
    }

    @Test
    void readsTheReferencesFile() throws IOException {
        Path path = Files.write(folder.resolve("r.safetensors"), referenceFile());
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertEquals(
                    List.of("u64", "a", "d", "b.x", "u32", "i", "z", "é", "u16", "i16", "f8", "f85", "i8", "u", "y"),
                    file.names());
            assertEquals(Map.of("format", "pt"), file.metadata());
            assertEquals(2, file.entry("a").bytes().get(ValueLayout.JAVA_LONG_UNALIGNED, 0));
            assertArrayEquals(new long[0], file.entry("a").shape());
            assertArrayEquals(
                    new float[] {0, 1, 2}, file.entry("b.x").bytes().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
            assertEquals("BF16", file.entry("z").dtype());
            assertArrayEquals(new long[] {2, 3}, file.entry("z").shape());
            assertEquals(0, file.entry("é").bytes().byteSize());
            assertTrue(file.entry("z").bytes().isReadOnly());
            assertTrue(file.contains("y"));
            assertFalse(file.contains("Y"));
            QuernException e = assertThrows(QuernException.class, () -> file.entry("nope"));
            assertTrue(e.getMessage().contains("no tensor 'nope' among its 15"), e.getMessage());
        }
    }

    @Test
    void entriesEndWithTheFile() throws IOException {
        Path path = Files.write(folder.resolve("r.safetensors"), referenceFile());
        SafetensorsFile file = SafetensorsFile.open(path);
        SafetensorsFile.Entry entry = file.entry("a");
        file.close();
        file.close();
        assertThrows(IllegalStateException.class, () -> entry.bytes().get(ValueLayout.JAVA_BYTE, 0));
    }

    @Test
    void noTensorsAreAllowed() throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(Files.write(folder.resolve("e"), file("{}  ", new byte[0])))) {
            assertEquals(List.of(), file.names());
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}                          | 8 | not valid JSON
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} | 8 | uplicate
        {"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}           | 8 | uplicate
        {"__metadata__":{"k":"1","k":"2"}}                                             | 0 | uplicate
        {"__metadata__":{"k":1}}                                                       | 0 | __metadata__ 'k' is 1, not text
        {"__metadata__":[]}                                                            | 0 | a list, not a map
        {"__metadata__":{"k":"\\ud800"}}                                                | 0 | surrogate
        {"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}                         | 8 | tensor 'a' has the dtype 'F31'
        {"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}}                             | 8 | tensor 'a' has a dtype that is 7
        {"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}                         | 8 | has 8 bytes, but F32 of shape [3] takes 12
        {"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}                        | 8 | shape with -2
        {"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}                       | 8 | shape with 2.0, expected whole numbers
        {"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}                       | 8 | expected whole numbers
        {"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}}                       | 8 | expected whole numbers
        {"a":{"dtype":"F32","shape":{},"data_offsets":[0,8]}}                          | 8 | not a list
        {"a":{"dtype":"F32","shape":[9223372036854775807,4],"data_offsets":[0,8]}}     | 8 | larger than any file
        {"a":{"dtype":"F32","shape":[0,9223372036854775807,4],"data_offsets":[0,0]}}   | 0 | larger than any file
        {"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}       | 8 | expected 0 to 2^63-1
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}                       | 8 | more than 2 numbers
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}                           | 8 | 1 data_offsets
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}                         | 8 | ends at byte 0 before it begins
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}                        | 12 | there is a hole before it
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}} | 12 | tensor 'b' begins at data byte 4, expected 8: it overlaps
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}                         | 9 | last tensor ends at data byte 8, but the file has 9
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}                         | 7 | cut off
        {"a":{"dtype":"F32","shape":[2]}}                                              | 8 | has no data_offsets
        {"a":{"shape":[2],"data_offsets":[0,8]}}                                       | 8 | has no dtype
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}                   | 8 | unknown key 'x'
        {"a":7}                                                                        | 0 | tensor 'a' is 7
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} {}                      | 8 | goes on after
        {"a":[[[[[[[[[[]]]]]]]]]]}                                                     | 0 | a list, not an object
        []                                                                             | 0 | starts with byte 0x5b
        ` {}`                                                                          | 0 | starts with byte 0x20
        """)
    void brokenHeadersAreNamed(String json, int dataBytes, String message) throws IOException {
        Path path = Files.write(folder.resolve("broken.safetensors"), file(json, new byte[dataBytes]));
        QuernException e = assertThrows(QuernException.class, () -> SafetensorsFile.open(path));
        assertEquals(ExitCode.FAILED, e.exitCode());
        assertTrue(e.getMessage().contains(message), e.getMessage());
        assertTrue(e.getMessage().contains("broken.safetensors"), e.getMessage());
        assertEquals(1, e.getMessage().lines().count(), e.getMessage());
    }

    @ParameterizedTest
    @CsvSource({
        "-1, 18446744073709551615 bytes",
        "100000001, at most 100000000",
        "99, cut off",
        "0, starts with nothing"
    })
    void aWrongLengthIsNamed(long length, String message) throws IOException {
        byte[] bytes = ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .array();
        Path path = Files.write(folder.resolve("bomb"), bytes);
        QuernException e = assertThrows(QuernException.class, () -> SafetensorsFile.open(path));
        assertEquals(ExitCode.FAILED, e.exitCode());
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    @Test
    void invalidUtf8IsNamed() throws IOException {
        byte[] bytes = file("{\"?\":1}", new byte[0]);
        bytes[10] = (byte) 0xff;
        QuernException e =
                assertThrows(QuernException.class, () -> SafetensorsFile.open(Files.write(folder.resolve("u"), bytes)));
        assertTrue(e.getMessage().contains("not UTF-8"), e.getMessage());
    }

    @Test
    void missingEmptyAndFolderAreBadInput() throws IOException {
        Path empty = Files.createFile(folder.resolve("empty"));
        for (Path path : List.of(folder.resolve("none"), empty, folder)) {
            QuernException e = assertThrows(QuernException.class, () -> SafetensorsFile.open(path));
            assertEquals(ExitCode.BAD_INPUT, e.exitCode(), e.getMessage());
        }
        Path shortFile = Files.write(folder.resolve("short"), new byte[7]);
        QuernException e = assertThrows(QuernException.class, () -> SafetensorsFile.open(shortFile));
        assertEquals(ExitCode.FAILED, e.exitCode());
    }
}
