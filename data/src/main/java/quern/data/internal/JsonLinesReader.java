package quern.data.internal;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Set;
import quern.data.Document;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;

/** A JSON Lines file: an object a line, the text under one key. Blank lines are skipped. */
final class JsonLinesReader implements DocumentReader {
    private static final int SHOWN_FIELDS = 12;

    private final Path file;
    private final InputStream in;
    private final String field;
    private final int limit;
    private final JsonFactory json;
    private final ArrayDeque<Document> ready = new ArrayDeque<>();
    private byte[] buffer = new byte[1 << 16];
    private int start;
    private int end;
    private boolean ended;
    private long line;
    private long invalid;
    private long empty;

    JsonLinesReader(Path file, InputStream in, String field, int limit) {
        this.file = file;
        this.in = in;
        this.field = field;
        this.limit = limit;
        this.json = JsonFactory.builder()
                .streamReadConstraints(
                        StreamReadConstraints.builder().maxStringLength(limit).build())
                .build();
    }

    @Override
    public Document next() {
        while (ready.isEmpty()) {
            int length = lineLength();
            if (length == 0) {
                return null;
            }
            line++;
            String row = decode(start, length);
            start += length;
            if (row.isBlank()) {
                continue;
            }
            String text = wellFormed(text(row));
            if (text.isEmpty()) {
                empty++;
            } else {
                ready.addAll(DocumentReader.pieces(file.toString(), line, text, PIECE));
            }
        }
        return ready.poll();
    }

    private String text(String row) {
        Set<String> seen = new LinkedHashSet<>();
        String text = null;
        try (JsonParser parser = json.createParser(ObjectReadContext.empty(), row)) {
            JsonToken token = parser.nextToken();
            if (token != JsonToken.START_OBJECT) {
                throw QuernException.failed(
                        "%s:%d: a JSON object was expected, found %s; each line must look like {\"%s\": \"…\"}",
                        file, line, describe(token), field);
            }
            while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
                String name = parser.currentName();
                token = parser.nextToken();
                if (!name.equals(field)) {
                    if (seen.size() < SHOWN_FIELDS) {
                        seen.add(name);
                    }
                    parser.skipChildren();
                } else if (token == JsonToken.VALUE_STRING) {
                    text = parser.getString();
                } else {
                    throw QuernException.failed(
                            "%s:%d: field '%s' holds %s, expected a string", file, line, field, describe(token));
                }
            }
            if (parser.nextToken() != null) {
                throw QuernException.failed(
                        "%s:%d: more than one JSON value on the line; expected one object a line", file, line);
            }
        } catch (JacksonException e) {
            throw new QuernException(
                    ExitCode.FAILED,
                    "%s:%d: not valid JSON (column %d: %s); repair or remove the line"
                            .formatted(
                                    file,
                                    line,
                                    e.getLocation() == null
                                            ? 0
                                            : e.getLocation().getColumnNr(),
                                    firstSentence(e.getOriginalMessage())),
                    e);
        }
        if (text == null) {
            throw QuernException.badInput(
                    "%s:%d: no field '%s' in this line; it has %s; set data.field", file, line, field, seen);
        }
        return text;
    }

    private static String firstSentence(String message) {
        String line = message.lines().findFirst().orElse("");
        return line.length() <= 160 ? line : line.substring(0, 160) + "…";
    }

    private static String describe(JsonToken token) {
        return switch (token) {
            case START_OBJECT -> "an object";
            case START_ARRAY -> "a list";
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a number";
            case VALUE_TRUE, VALUE_FALSE -> "a boolean";
            case VALUE_NULL -> "null";
            case VALUE_STRING -> "a string";
            case null, default -> "something else";
        };
    }

    private String decode(int from, int length) {
        if (line == 1
                && length >= 3
                && buffer[from] == (byte) 0xEF
                && buffer[from + 1] == (byte) 0xBB
                && buffer[from + 2] == (byte) 0xBF) {
            return decode(from + 3, length - 3);
        }
        String text = new String(buffer, from, length, StandardCharsets.UTF_8);
        if (text.indexOf('\uFFFD') >= 0) {
            invalid += Utf8.countInvalid(buffer, from, length);
        }
        return text;
    }

    /** JSON escapes can spell half of a surrogate pair; such a half is replaced, as an invalid byte is. */
    private String wellFormed(String text) {
        int bad = Utf8.countLoneSurrogates(text);
        if (bad == 0) {
            return text;
        }
        invalid += bad;
        return Utf8.replaceLoneSurrogates(text);
    }

    /** Length of the next line with its end; 0 at the end of the file. */
    private int lineLength() {
        int scanned = 0;
        while (true) {
            for (int i = start + scanned; i < end; i++) {
                if (buffer[i] == '\n') {
                    return i + 1 - start;
                }
                if (buffer[i] == 0) {
                    throw QuernException.failed(
                            "%s:%d: binary data (a NUL byte); expected UTF-8 text, a JSON object a line",
                            file, line + 1);
                }
            }
            scanned = end - start;
            if (ended) {
                return scanned;
            }
            fill();
        }
    }

    private void fill() {
        if (start > 0) {
            System.arraycopy(buffer, start, buffer, 0, end - start);
            end -= start;
            start = 0;
        }
        if (end >= limit) {
            throw QuernException.failed(
                    "%s:%d: a line of more than %,d bytes; split the document over several lines",
                    file, line + 1, limit);
        }
        if (end == buffer.length) {
            buffer =
                    Arrays.copyOf(buffer, (int) Math.min((long) buffer.length * 2, Math.max(limit, buffer.length + 1)));
        }
        int n = SourceBytes.read(in, buffer, end, buffer.length - end);
        if (n < 0) {
            ended = true;
        } else {
            end += n;
        }
    }

    @Override
    public long invalid() {
        return invalid;
    }

    @Override
    public long empty() {
        return empty;
    }

    @Override
    public void close() {
        SourceBytes.close(in);
    }
}
