package quern.testkit;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Safetensors files made byte by byte: eight bytes of header length (little endian), a JSON header, data. {@link
 * #hostile} lists files that a reader must refuse, {@link #unusual} files that it must accept, both with the reason.
 */
public final class SafetensorsBytes {
    /** The largest header that the format's reference reader takes, in bytes. */
    public static final int LARGEST_HEADER = 100_000_000;

    private static final int PAIR_BYTES = 24;

    private SafetensorsBytes() {}

    /**
     * A file for a parameterised test.
     *
     * @param name what is special about it, in a word or two
     * @param bytes the file's bytes
     */
    public record Case(String name, byte[] bytes) {
        @Override
        public String toString() {
            return name;
        }
    }

    /** Header length, header and data as given; the length counts the header's bytes. */
    public static byte[] file(String header, byte[] data) {
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        return file(text.length, text, data);
    }

    /** As {@link #file(String, byte[])}, with a header length that may lie. */
    public static byte[] file(long claimedLength, byte[] header, byte[] data) {
        return ByteBuffer.allocate(8 + header.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(claimedLength)
                .put(header)
                .put(data)
                .array();
    }

    /** A header entry: {@code "name":{"dtype":…,"shape":…,"data_offsets":[begin,end]}}; the shape as JSON. */
    public static String entry(String name, String dtype, String shape, long begin, long end) {
        return "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                .formatted(name, dtype, shape, begin, end);
    }

    /** A correct file: {@code a} F32 [2,2] holding 1 to 4, then {@code b} I64 [1] holding 7. */
    public static byte[] wellFormed() {
        return file("{" + entry("a", "F32", "[2,2]", 0, 16) + "," + entry("b", "I64", "[1]", 16, 24) + "}", pairData());
    }

    /** Files that are correct though a careless reader might stumble over them. */
    public static List<Case> unusual() {
        String a = entry("a", "F32", "[2,2]", 0, 16);
        String b = entry("b", "I64", "[1]", 16, 24);
        List<Case> cases = new ArrayList<>();
        add(cases, "entries not in the order of the data", "{" + b + "," + a + "}", pairData());
        add(cases, "header padded with spaces", "{" + a + "," + b + "}      ", pairData());
        add(
                cases,
                "data that starts off an 8-byte boundary",
                "{" + a + "," + b + "}" + spacesOffBoundary("{" + a + "," + b + "}"),
                pairData());
        add(
                cases,
                "metadata",
                "{\"__metadata__\":{\"format\":\"pt\",\"é\":\"\\u00e9\"}," + a + "," + b + "}",
                pairData());
        add(
                cases,
                "tensor off its type's boundary",
                "{" + entry("a", "U8", "[3]", 0, 3) + "," + entry("b", "F32", "[1]", 3, 7) + "}",
                new byte[7]);
        add(cases, "scalar", "{" + entry("a", "F32", "[]", 0, 4) + "}", new byte[4]);
        add(
                cases,
                "tensor without elements",
                "{" + entry("a", "F32", "[0,3]", 0, 0) + "," + entry("b", "I64", "[1]", 0, 8) + "}",
                new byte[8]);
        add(cases, "no tensors", "{}", new byte[0]);
        add(
                cases,
                "escaped name",
                "{\"a\\u002eb\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                new byte[1]);
        return cases;
    }

    /**
     * Files that a reader must refuse, each broken in one way. The format forbids duplicate tensor names and a header that
     * starts with anything but a brace; its reference reader lets both pass, every other case it refuses too.
     */
    public static List<Case> hostile() {
        List<Case> cases = new ArrayList<>();
        addBrokenLengths(cases);
        addBrokenJson(cases);
        addBrokenEntries(cases);
        addBrokenLayouts(cases);
        return cases;
    }

    /**
     * A header of more than {@link #LARGEST_HEADER} bytes that is really there, all spaces after the entries: some 100 MB,
     * so not part of {@link #hostile}.
     */
    public static byte[] hugeHeader() {
        byte[] header = new byte[LARGEST_HEADER + 1];
        Arrays.fill(header, (byte) ' ');
        byte[] entries = ("{" + entry("a", "U8", "[1]", 0, 1) + "}").getBytes(StandardCharsets.UTF_8);
        System.arraycopy(entries, 0, header, 0, entries.length);
        return file(header.length, header, new byte[1]);
    }

    private static void addBrokenLengths(List<Case> cases) {
        byte[] header = ("{" + entry("a", "U8", "[1]", 0, 1) + "}").getBytes(StandardCharsets.UTF_8);
        byte[] data = new byte[1];
        cases.add(new Case("empty file", new byte[0]));
        cases.add(new Case("seven bytes", new byte[7]));
        cases.add(new Case("length without header", file(2, new byte[0], new byte[0])));
        cases.add(new Case("header length 0", file(0, new byte[0], data)));
        cases.add(new Case("header longer than the file by one", file(header.length + 2, header, data)));
        cases.add(new Case("header length bomb of 4 GiB", file(1L << 32, header, data)));
        cases.add(new Case("header length bomb of 2^63 - 1", file(Long.MAX_VALUE, header, data)));
        cases.add(new Case("header length with the sign bit", file(-1, header, data)));
        cases.add(new Case("header length that overflows with 8 added", file(Long.MAX_VALUE - 4, header, data)));
        cases.add(new Case("header length one too short", file(header.length - 1, header, data)));
    }

    private static void addBrokenJson(List<Case> cases) {
        String a = entry("a", "U8", "[1]", 0, 1);
        byte[] data = new byte[1];
        add(cases, "header that is not JSON", "{not json}", data);
        add(cases, "header cut short", "{" + a, data);
        add(cases, "header of two values", "{" + a + "}{}", data);
        add(cases, "header that is a list", "[" + "{" + a + "}" + "]", data);
        add(cases, "header that does not start with a brace", " {" + a + "}", data);
        add(cases, "header in single quotes", "{" + a.replace('"', '\'') + "}", data);
        add(cases, "comma before the end", "{" + a + ",}", data);
        add(cases, "duplicate tensor", "{" + a + "," + a + "}", data);
        add(cases, "duplicate tensor, one name escaped", "{" + a + "," + a.replace("\"a\"", "\"\\u0061\"") + "}", data);
        add(
                cases,
                "duplicate key in an entry",
                "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                data);
        add(cases, "nesting bomb", "{\"a\":" + "[".repeat(100_000) + "]".repeat(100_000) + "}", data);
        byte[] notUtf8 = ("{" + a + "}").getBytes(StandardCharsets.UTF_8);
        notUtf8[2] = (byte) 0xff;
        cases.add(new Case("header that is not UTF-8", file(notUtf8.length, notUtf8, data)));
    }

    private static void addBrokenEntries(List<Case> cases) {
        byte[] data = new byte[4];
        add(cases, "entry that is a number", "{\"a\":4}", data);
        add(cases, "entry without dtype", "{\"a\":{\"shape\":[4],\"data_offsets\":[0,4]}}", data);
        add(cases, "entry without shape", "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", data);
        add(cases, "entry without offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4]}}", data);
        add(cases, "three offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4,4]}}", data);
        add(cases, "unknown dtype", "{" + entry("a", "F31", "[1]", 0, 4) + "}", data);
        add(cases, "dtype that is a number", "{\"a\":{\"dtype\":4,\"shape\":[4],\"data_offsets\":[0,4]}}", data);
        add(cases, "negative dimension", "{" + entry("a", "U8", "[-4]", 0, 4) + "}", data);
        add(cases, "two negative dimensions", "{" + entry("a", "U8", "[-2,-2]", 0, 4) + "}", data);
        add(cases, "fractional dimension", "{" + entry("a", "U8", "[4.5]", 0, 4) + "}", data);
        add(cases, "dimension that is text", "{" + entry("a", "U8", "[\"4\"]", 0, 4) + "}", data);
        add(cases, "dimension beyond 64 bits", "{" + entry("a", "U8", "[36893488147419103236]", 0, 4) + "}", data);
        // The product wraps to 4 in 64 bits: (2^62 + 1) · 4.
        add(cases, "element count that wraps", "{" + entry("a", "U8", "[4611686018427387905,4]", 0, 4) + "}", data);
        // The element count fits, the byte count wraps to 4: (2^62 + 1) elements of 4 bytes.
        add(cases, "byte count that wraps", "{" + entry("a", "F32", "[4611686018427387905]", 0, 4) + "}", data);
        add(
                cases,
                "metadata that is not text",
                "{\"__metadata__\":{\"n\":1}," + entry("a", "U8", "[4]", 0, 4) + "}",
                data);
        add(cases, "metadata that is a list", "{\"__metadata__\":[]," + entry("a", "U8", "[4]", 0, 4) + "}", data);
    }

    private static void addBrokenLayouts(List<Case> cases) {
        String a = entry("a", "F32", "[2,2]", 0, 16);
        add(cases, "overlap", "{" + a + "," + entry("b", "F32", "[2]", 12, 20) + "}", new byte[20]);
        add(
                cases,
                "two tensors over the same bytes",
                "{" + a + "," + entry("b", "F32", "[4]", 0, 16) + "}",
                new byte[16]);
        add(cases, "hole", "{" + a + "," + entry("b", "I64", "[1]", 20, 28) + "}", new byte[28]);
        add(cases, "hole before the first tensor", "{" + entry("a", "F32", "[2,2]", 8, 24) + "}", new byte[24]);
        add(cases, "fewer bytes than the shape needs", "{" + entry("a", "F32", "[2,2]", 0, 12) + "}", new byte[12]);
        add(cases, "more bytes than the shape needs", "{" + entry("a", "F32", "[2,2]", 0, 20) + "}", new byte[20]);
        add(cases, "end before begin", "{" + entry("a", "F32", "[2,2]", 16, 0) + "}", new byte[16]);
        add(cases, "negative begin", "{" + entry("a", "U8", "[4]", -4, 0) + "}", new byte[4]);
        add(cases, "end beyond the file", "{" + a + "}", new byte[12]);
        add(
                cases,
                "end far beyond the file",
                "{" + entry("a", "U8", "[4611686018427387904]", 0, 1L << 62) + "}",
                new byte[4]);
        add(cases, "bytes after the last tensor", "{" + a + "}", new byte[17]);
        add(cases, "data without tensors", "{}", new byte[1]);
    }

    /** Spaces that make a header of ASCII text end off an 8-byte boundary. */
    private static String spacesOffBoundary(String header) {
        return header.length() % 8 == 0 ? " " : "";
    }

    private static byte[] pairData() {
        ByteBuffer data = ByteBuffer.allocate(PAIR_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 1; i <= 4; i++) {
            data.putFloat(i);
        }
        return data.putLong(7).array();
    }

    private static void add(List<Case> cases, String name, String header, byte[] data) {
        cases.add(new Case(name, file(header, data)));
    }
}
