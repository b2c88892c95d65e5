package quern.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class SafetensorsBytesTest {
    @Test
    void theWellFormedFileIsWhatTheFormatSays() {
        ByteBuffer file = ByteBuffer.wrap(SafetensorsBytes.wellFormed()).order(ByteOrder.LITTLE_ENDIAN);
        int headerLength = (int) file.getLong();
        byte[] header = new byte[headerLength];
        file.get(header);
        assertEquals(
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                        + "\"b\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[16,24]}}",
                new String(header, StandardCharsets.UTF_8));
        assertEquals(1f, file.getFloat());
        assertEquals(4f, file.getFloat(8 + headerLength + 12));
        assertEquals(7L, file.getLong(8 + headerLength + 16));
        assertEquals(8 + headerLength + 24, file.capacity());
    }

    @Test
    void everyCaseIsAnotherFile() {
        Set<ByteBuffer> files = new HashSet<>();
        Set<String> names = new HashSet<>();
        List<SafetensorsBytes.Case> cases = Stream.concat(
                        SafetensorsBytes.hostile().stream(), SafetensorsBytes.unusual().stream())
                .toList();
        assertTrue(files.add(ByteBuffer.wrap(SafetensorsBytes.wellFormed())));
        for (SafetensorsBytes.Case each : cases) {
            assertTrue(files.add(ByteBuffer.wrap(each.bytes())), each + " repeats another case's bytes");
            assertTrue(names.add(each.name()), each + " repeats another case's name");
        }
    }

    @Test
    void liesAreWhereTheyShouldBe() {
        byte[] bomb = named("header length bomb of 2^63 - 1");
        assertEquals(
                Long.MAX_VALUE,
                ByteBuffer.wrap(bomb).order(ByteOrder.LITTLE_ENDIAN).getLong());
        byte[] huge = SafetensorsBytes.hugeHeader();
        long claimed = ByteBuffer.wrap(huge).order(ByteOrder.LITTLE_ENDIAN).getLong();
        assertEquals(SafetensorsBytes.LARGEST_HEADER + 1L, claimed);
        assertEquals(8 + claimed + 1, huge.length);
        // The products that a careless reader computes do come out as the 4 bytes that are there.
        for (String name : List.of("element count that wraps", "byte count that wraps")) {
            String text = new String(named(name), StandardCharsets.UTF_8);
            long dimension = Long.parseLong(text.replaceAll("(?s).*\\[(\\d{10,}).*", "$1"));
            assertEquals(4L, dimension * 4L, name);
        }
        byte[] offBoundary = SafetensorsBytes.unusual().stream()
                .filter(each -> each.name().contains("8-byte"))
                .findFirst()
                .orElseThrow()
                .bytes();
        assertTrue(ByteBuffer.wrap(offBoundary).order(ByteOrder.LITTLE_ENDIAN).getLong() % 8 != 0);
    }

    private static byte[] named(String name) {
        return SafetensorsBytes.hostile().stream()
                .filter(each -> each.name().equals(name))
                .findFirst()
                .orElseThrow()
                .bytes();
    }
}
