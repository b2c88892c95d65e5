package quern.tensor.internal;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
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

/** The index of a model in shards, {@code model.safetensors.index.json}: which file holds which tensor. */
public final class SafetensorsIndex {
    /** Deeper than what any tool writes under {@code metadata}. */
    private static final int MAX_NESTING = 32;

    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(
                    StreamReadConstraints.builder().maxNestingDepth(MAX_NESTING).build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private SafetensorsIndex() {}

    /**
     * The {@code weight_map}: tensor name to file name, in file order; every file name is a plain name that ends with
     * {@code .safetensors}. Other keys are passed over.
     *
     * @param file named in messages
     * @throws QuernException failed when the text is no such index or a file name could leave the folder
     */
    public static Map<String, String> parse(Object file, byte[] json) {
        Map<String, String> weightMap = null;
        try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), decode(file, json))) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw corrupt(file, "expected a JSON object");
            }
            while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
                boolean wanted = parser.currentName().equals("weight_map");
                parser.nextToken();
                if (wanted) {
                    weightMap = readWeightMap(file, parser);
                } else {
                    parser.skipChildren();
                }
            }
            if (parser.nextToken() != null) {
                throw corrupt(file, "text follows the closing brace");
            }
        } catch (JacksonException e) {
            throw new QuernException(
                    ExitCode.FAILED,
                    "%s: not valid JSON: %s; download or save it again"
                            .formatted(file, SafetensorsHeader.firstLine(e.getOriginalMessage())),
                    e);
        }
        if (weightMap == null) {
            throw corrupt(file, "no weight_map, which maps each tensor to its file");
        }
        return weightMap;
    }

    /** The index as Hugging Face's libraries write it: keys sorted, two spaces a level. */
    public static byte[] format(Map<String, String> weightMap, long totalBytes) {
        StringBuilder text = new StringBuilder("{\n  \"metadata\": {\n    \"total_size\": ")
                .append(totalBytes)
                .append("\n  },\n  \"weight_map\": {");
        String separator = "\n";
        for (Map.Entry<String, String> entry : new TreeMap<>(weightMap).entrySet()) {
            text.append(separator)
                    .append("    ")
                    .append(quoted(entry.getKey()))
                    .append(": ")
                    .append(quoted(entry.getValue()));
            separator = ",\n";
        }
        return text.append("\n  }\n}\n").toString().getBytes(StandardCharsets.UTF_8);
    }

    private static String quoted(String text) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), out)) {
            json.writeString(text);
        }
        return out.toString(StandardCharsets.UTF_8);
    }

    private static Map<String, String> readWeightMap(Object file, JsonParser parser) {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw corrupt(file, "weight_map is not a map of tensor names to file names");
        }
        Map<String, String> weightMap = new LinkedHashMap<>();
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String tensor = parser.currentName();
            if (parser.nextToken() != JsonToken.VALUE_STRING) {
                throw corrupt(file, "weight_map names no file for the tensor '%s'", SafetensorsHeader.shown(tensor));
            }
            weightMap.put(tensor, checkedName(file, tensor, parser.getString()));
        }
        return weightMap;
    }

    private static String checkedName(Object file, String tensor, String name) {
        boolean plain = name.endsWith(".safetensors")
                && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || Character.isISOControl(c));
        if (!plain) {
            throw QuernException.failed(
                    "%s: the tensor '%s' is said to lie in '%s', expected a plain name ending with .safetensors in the same folder; don't trust this model",
                    file, SafetensorsHeader.shown(tensor), SafetensorsHeader.shown(name));
        }
        return name;
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
            throw corrupt(file, "not UTF-8 text");
        }
    }

    private static QuernException corrupt(Object file, String format, Object... args) {
        return QuernException.failed(
                "%s: %s; the index is damaged: download or save it again", file, format.formatted(args));
    }
}
