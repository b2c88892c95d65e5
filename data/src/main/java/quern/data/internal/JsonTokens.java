package quern.data.internal;

import java.nio.file.Path;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonToken;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;

/** Parsers of JSON, and what they find in words, for errors. */
final class JsonTokens {
    private static final int SHOWN = 160;

    private JsonTokens() {}

    /** Makes parsers that refuse a string of more than {@code limit} characters. */
    static JsonFactory factory(int limit) {
        return JsonFactory.builder()
                .streamReadConstraints(
                        StreamReadConstraints.builder().maxStringLength(limit).build())
                .build();
    }

    static String describe(JsonToken token) {
        return switch (token) {
            case START_OBJECT -> "an object";
            case START_ARRAY -> "a list";
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a number";
            case VALUE_TRUE, VALUE_FALSE -> "a boolean";
            case VALUE_NULL -> "null";
            case VALUE_STRING -> "a string";
            case null -> "the end of the file";
            default -> "something else";
        };
    }

    /** The error of a file that is no valid JSON. */
    static QuernException invalid(Path file, long line, JacksonException e, String advice) {
        return new QuernException(
                ExitCode.FAILED,
                "%s:%d: not valid JSON (column %d: %s); %s"
                        .formatted(
                                file,
                                line,
                                e.getLocation() == null ? 0 : e.getLocation().getColumnNr(),
                                firstSentence(e.getOriginalMessage()),
                                advice),
                e);
    }

    private static String firstSentence(String message) {
        // The parser says which of its settings a limit is, which nobody who has the file can change.
        String line = message.lines().findFirst().orElse("").replaceAll(", from `[^`]*`", "");
        return line.length() <= SHOWN ? line : line.substring(0, SHOWN) + "…";
    }
}
