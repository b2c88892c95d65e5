package quern.tensor.internal;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;

/**
 * The header of a safetensors file: eight bytes little-endian length, then that many bytes of JSON that map a tensor's
 * name to its type, shape and byte range in the data that follows.
 *
 * @param tensors in the order of their data
 * @param metadata free text by name, in file order
 */
public record SafetensorsHeader(List<Layout> tensors, Map<String, String> metadata) {
    /** Bytes of the length field that opens a file. */
    public static final int LENGTH_BYTES = 8;
    /** The longest header that the reference library reads. */
    public static final long MAX_HEADER_BYTES = 100_000_000;

    private static final String METADATA_KEY = "__metadata__";
    private static final int ALIGNMENT = 8;
    /** A header nests objects, a tensor's object and its arrays: three levels. */
    private static final int MAX_NESTING = 4;
    /** More dimensions than any tensor library allows. */
    private static final int MAX_DIMENSIONS = 64;

    static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(
                    StreamReadConstraints.builder().maxNestingDepth(MAX_NESTING).build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    /** One tensor's place: its bytes are [begin, end) of the data after the header. */
    public record Layout(String name, SafetensorsType type, long[] shape, long begin, long end) {}

    /**
     * Reads and checks a header.
     *
     * @param file named in messages
     * @param json the header's bytes, without the length field
     * @param dataBytes bytes of the file after the header
     * @throws QuernException failed, when the header breaks any rule of the format
     */
    public static SafetensorsHeader parse(Object file, byte[] json, long dataBytes) {
        if (json.length == 0 || json[0] != '{') {
            throw corrupt(file, "the header starts with %s, not with '{'", json.length == 0 ? "nothing" : hex(json[0]));
        }
        List<Layout> tensors = new ArrayList<>();
        Map<String, String> metadata = new LinkedHashMap<>();
        try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), decode(file, json))) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
                String name = wellFormed(file, parser.currentName());
                parser.nextToken();
                if (name.equals(METADATA_KEY)) {
                    readMetadata(file, parser, metadata);
                } else {
                    tensors.add(readTensor(file, parser, name));
                }
            }
            if (parser.nextToken() != null) {
                throw corrupt(file, "the header goes on after its closing brace");
            }
        } catch (JacksonException e) {
            throw new QuernException(
                    ExitCode.FAILED,
                    "%s: the header is not valid JSON: %s; download or save the file again"
                            .formatted(file, firstLine(e.getOriginalMessage())),
                    e);
        }
        // A stable sort: empty tensors that share an offset stay in header order.
        tensors.sort(Comparator.comparingLong(Layout::begin).thenComparingLong(Layout::end));
        checkCoverage(file, tensors, dataBytes);
        return new SafetensorsHeader(tensors, metadata);
    }

    /**
     * The length field and the header as the reference library writes them: widest type first, then by name in UTF-8
     * order, padded with spaces so that the data starts at a multiple of eight.
     */
    public static byte[] format(SafetensorsHeader header) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), out)) {
            json.writeStartObject();
            if (!header.metadata().isEmpty()) {
                json.writeObjectPropertyStart(METADATA_KEY);
                header.metadata().forEach(json::writeStringProperty);
                json.writeEndObject();
            }
            for (Layout tensor : header.tensors()) {
                json.writeObjectPropertyStart(tensor.name());
                json.writeStringProperty("dtype", tensor.type().name());
                json.writeName("shape");
                json.writeArray(tensor.shape(), 0, tensor.shape().length);
                json.writeName("data_offsets");
                json.writeArray(new long[] {tensor.begin(), tensor.end()}, 0, 2);
                json.writeEndObject();
            }
            json.writeEndObject();
        }
        byte[] text = out.toByteArray();
        int padded = Math.ceilDiv(text.length, ALIGNMENT) * ALIGNMENT;
        byte[] bytes = Arrays.copyOf(text, padded);
        Arrays.fill(bytes, text.length, padded, (byte) ' ');
        return ByteBuffer.allocate(LENGTH_BYTES + padded)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(padded)
                .put(bytes)
                .array();
    }

    /** The order of tensors in a file: widest type first, then by the bytes of the name. */
    public static Comparator<Layout> fileOrder() {
        return Comparator.<Layout>comparingInt(layout -> layout.type().ordinal())
                .thenComparing(
                        layout -> layout.name().getBytes(StandardCharsets.UTF_8),
                        (a, b) -> Arrays.compareUnsigned(a, b));
    }

    /** Whether the text can be written as UTF-8: it holds no half of a surrogate pair. */
    public static boolean isWellFormed(String text) {
        CharsetEncoder encoder = StandardCharsets.UTF_8.newEncoder();
        return encoder.canEncode(text);
    }

    static QuernException corrupt(Object file, String format, Object... args) {
        return QuernException.failed(
                "%s: %s; the file is damaged or no safetensors file: download or save it again",
                file, format.formatted(args));
    }

    private static String decode(Object file, byte[] json) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT)
                    .decode(ByteBuffer.wrap(json))
                    .toString();
        } catch (CharacterCodingException e) {
            throw corrupt(file, "the header is not UTF-8 text");
        }
    }

    private static void readMetadata(Object file, JsonParser parser, Map<String, String> metadata) {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw corrupt(file, "%s is %s, not a map of text to text", METADATA_KEY, found(parser));
        }
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String key = wellFormed(file, parser.currentName());
            if (parser.nextToken() != JsonToken.VALUE_STRING) {
                throw corrupt(file, "%s '%s' is %s, not text", METADATA_KEY, shown(key), found(parser));
            }
            metadata.put(key, wellFormed(file, parser.getString()));
        }
    }

    private static Layout readTensor(Object file, JsonParser parser, String name) {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw corrupt(file, "tensor '%s' is %s, not an object", shown(name), found(parser));
        }
        SafetensorsType type = null;
        long[] shape = null;
        long[] offsets = null;
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            switch (key) {
                case "dtype" -> type = readType(file, parser, name);
                case "shape" -> shape = readLongs(file, parser, name, key, MAX_DIMENSIONS);
                case "data_offsets" -> offsets = readLongs(file, parser, name, key, 2);
                default ->
                    throw corrupt(
                            file,
                            "tensor '%s' has the unknown key '%s' beside dtype, shape, data_offsets",
                            shown(name),
                            shown(key));
            }
        }
        if (type == null || shape == null || offsets == null) {
            throw corrupt(
                    file,
                    "tensor '%s' has no %s",
                    shown(name),
                    type == null ? "dtype" : shape == null ? "shape" : "data_offsets");
        }
        if (offsets.length != 2) {
            throw corrupt(file, "tensor '%s' has %d data_offsets, not 2", shown(name), offsets.length);
        }
        checkSize(file, name, type, shape, offsets);
        return new Layout(name, type, shape, offsets[0], offsets[1]);
    }

    private static void checkSize(Object file, String name, SafetensorsType type, long[] shape, long[] offsets) {
        if (offsets[1] < offsets[0]) {
            throw corrupt(
                    file, "tensor '%s' ends at byte %d before it begins at %d", shown(name), offsets[1], offsets[0]);
        }
        long expected;
        try {
            expected = type.byteSize(shape);
        } catch (ArithmeticException e) {
            throw corrupt(file, "tensor '%s' of shape %s is larger than any file", shown(name), Arrays.toString(shape));
        }
        if (offsets[1] - offsets[0] != expected) {
            throw corrupt(
                    file,
                    "tensor '%s' has %d bytes, but %s of shape %s takes %d",
                    shown(name),
                    offsets[1] - offsets[0],
                    type,
                    Arrays.toString(shape),
                    expected);
        }
    }

    private static SafetensorsType readType(Object file, JsonParser parser, String name) {
        if (parser.currentToken() != JsonToken.VALUE_STRING) {
            throw corrupt(file, "tensor '%s' has a dtype that is %s, not text", shown(name), found(parser));
        }
        String text = parser.getString();
        SafetensorsType type = SafetensorsType.of(text);
        if (type == null) {
            throw QuernException.failed(
                    "%s: tensor '%s' has the dtype '%s', expected one of %s; convert the file to one of these",
                    file, shown(name), shown(text), Arrays.toString(SafetensorsType.values()));
        }
        return type;
    }

    private static long[] readLongs(Object file, JsonParser parser, String name, String key, int most) {
        if (parser.currentToken() != JsonToken.START_ARRAY) {
            throw corrupt(file, "tensor '%s' has a %s that is %s, not a list", shown(name), key, found(parser));
        }
        long[] values = new long[most];
        int count = 0;
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT) {
                throw corrupt(
                        file, "tensor '%s' has a %s with %s, expected whole numbers", shown(name), key, found(parser));
            }
            if (parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER || parser.getLongValue() < 0) {
                throw corrupt(
                        file,
                        "tensor '%s' has a %s with %s, expected 0 to 2^63-1",
                        shown(name),
                        key,
                        shown(parser.getString()));
            }
            if (count == most) {
                throw corrupt(file, "tensor '%s' has a %s with more than %d numbers", shown(name), key, most);
            }
            values[count++] = parser.getLongValue();
        }
        return Arrays.copyOf(values, count);
    }

    private static void checkCoverage(Object file, List<Layout> tensors, long dataBytes) {
        long position = 0;
        for (Layout tensor : tensors) {
            if (tensor.end() > dataBytes) {
                throw QuernException.failed(
                        "%s: tensor '%s' ends at data byte %d, but the file has %d; it was cut off: download or save it again",
                        file, shown(tensor.name()), tensor.end(), dataBytes);
            }
            if (tensor.begin() != position) {
                throw corrupt(
                        file,
                        "tensor '%s' begins at data byte %d, expected %d: %s",
                        shown(tensor.name()),
                        tensor.begin(),
                        position,
                        tensor.begin() < position ? "it overlaps the tensor before it" : "there is a hole before it");
            }
            position = tensor.end();
        }
        if (position != dataBytes) {
            throw corrupt(file, "the last tensor ends at data byte %d, but the file has %d", position, dataBytes);
        }
    }

    private static String wellFormed(Object file, String text) {
        if (!isWellFormed(text)) {
            throw corrupt(file, "the header has text with half a surrogate pair");
        }
        return text;
    }

    private static String found(JsonParser parser) {
        return switch (parser.currentToken()) {
            case START_OBJECT -> "an object";
            case START_ARRAY -> "a list";
            case null -> "nothing";
            default -> shown(parser.getString());
        };
    }

    /** Text from a file, short and on one line, for a message. */
    static String shown(String text) {
        String line = text.replaceAll("\\p{Cntrl}+", "?");
        return line.length() <= 120 ? line : line.substring(0, 120) + "…";
    }

    static String firstLine(String message) {
        return message == null
                ? "unreadable"
                : shown(message.lines().findFirst().orElse("unreadable"));
    }

    private static String hex(byte b) {
        return "byte 0x%02x".formatted(b & 0xff);
    }
}
