package quern.data.internal;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import quern.data.ChatTemplate;
import quern.data.DataFormat;
import quern.data.Document;
import quern.data.PromptTemplates;
import quern.recipe.QuernException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

/**
 * A JSON Lines file: an object a line, the text under one key, or an {@link InstructionRow instruction row}. Which of them is
 * told by the first line unless it is known. Blank lines are skipped.
 */
final class JsonLinesReader implements DocumentReader {
    private static final int SHOWN_FIELDS = 12;

    private final Path file;
    private final InputStream in;
    private final String field;
    /** What makes texts of rows; null where they say themselves what they are. */
    private final PromptTemplates phrasings;

    private final Set<String> fields;
    private final int limit;
    private final JsonFactory json;
    private final ChatTemplate template;
    private final ArrayDeque<Document> ready = new ArrayDeque<>();
    private Optional<DataFormat> format;
    /** Null until the first row of a conversation. */
    private ChatRow chat;

    private byte[] buffer = new byte[1 << 16];
    private int start;
    private int end;
    private boolean ended;
    private long line;
    private long invalid;
    private long empty;

    JsonLinesReader(
            Path file,
            InputStream in,
            String field,
            Optional<DataFormat> format,
            Optional<ChatTemplate> template,
            Optional<PromptTemplates> phrasings,
            int limit) {
        this.phrasings = phrasings.orElse(null);
        this.fields = phrasings.map(PromptTemplates::fields).orElse(Set.of());
        this.format = format;
        this.file = file;
        this.in = in;
        this.field = field;
        this.template = template.orElse(null);
        this.limit = limit;
        this.json = JsonTokens.factory(limit);
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
            if (phrasings != null) {
                addPhrased(row);
                continue;
            }
            if (format.isEmpty()) {
                format = Optional.of(recognize(row));
            }
            if (format.get() == DataFormat.INSTRUCTION) {
                addInstruction(row);
                continue;
            }
            if (format.get().mayHoldMessages()) {
                addConversation(row);
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

    private DataFormat recognize(String row) {
        Set<String> keys = new LinkedHashSet<>();
        try (JsonParser parser = json.createParser(ObjectReadContext.empty(), row)) {
            if (parser.nextToken() == JsonToken.START_OBJECT) {
                while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
                    keys.add(parser.currentName());
                    parser.nextToken();
                    parser.skipChildren();
                }
            }
        } catch (JacksonException e) {
            // Reading the row as a text says what is wrong with it.
            return DataFormat.TEXT;
        }
        return keys.contains(field)
                ? DataFormat.TEXT
                : InstructionRow.isOne(keys)
                        ? DataFormat.INSTRUCTION
                        : ChatRow.recognize(keys).orElse(DataFormat.TEXT);
    }

    private void addConversation(String row) {
        if (chat == null) {
            chat = new ChatRow(format.orElseThrow(), template);
        }
        String place = "%s:%d".formatted(file, line);
        ready.addAll(object(row, parser -> chat.read(parser, file.toString(), line, place)));
    }

    private void addPhrased(String row) {
        TemplatedRow found = object(row, parser -> TemplatedRow.read(parser, fields, "%s:%d".formatted(file, line)));
        invalid += found.loneSurrogates();
        if (found.isEmpty()) {
            empty++;
        } else {
            ready.addAll(found.documents(phrasings, file.toString(), line));
        }
    }

    private void addInstruction(String row) {
        InstructionRow found = object(row, parser -> InstructionRow.read(parser, "%s:%d".formatted(file, line)));
        invalid += found.loneSurrogates();
        if (found.isEmpty()) {
            empty++;
        } else {
            ready.addAll(found.wellFormed().documents(file.toString(), line));
        }
    }

    /** What {@code read} makes of the row's only value, an object whose start it finds the parser at. */
    private <T> T object(String row, Function<JsonParser, T> read) {
        try (JsonParser parser = json.createParser(ObjectReadContext.empty(), row)) {
            JsonToken token = parser.nextToken();
            if (token != JsonToken.START_OBJECT) {
                throw QuernException.failed(
                        "%s:%d: a JSON object was expected, found %s; each line must look like {\"%s\": \"…\"}",
                        file, line, JsonTokens.describe(token), field);
            }
            T result = read.apply(parser);
            if (parser.nextToken() != null) {
                throw QuernException.failed(
                        "%s:%d: more than one JSON value on the line; expected one object a line", file, line);
            }
            return result;
        } catch (JacksonException e) {
            throw JsonTokens.invalid(file, line, e, "repair or remove the line");
        }
    }

    private String text(String row) {
        return object(row, this::text);
    }

    private String text(JsonParser parser) {
        Set<String> seen = new LinkedHashSet<>();
        String text = null;
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = parser.currentName();
            JsonToken token = parser.nextToken();
            if (!name.equals(field)) {
                if (seen.size() < SHOWN_FIELDS) {
                    seen.add(name);
                }
                parser.skipChildren();
            } else if (token == JsonToken.VALUE_STRING) {
                text = parser.getString();
            } else {
                throw QuernException.failed(
                        "%s:%d: field '%s' holds %s, expected a string", file, line, field, JsonTokens.describe(token));
            }
        }
        if (text == null) {
            throw QuernException.badInput(
                    "%s:%d: no field '%s' in this line; it has %s; set data.field", file, line, field, seen);
        }
        return text;
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
        return invalid + (chat == null ? 0 : chat.loneSurrogates());
    }

    @Override
    public long empty() {
        return empty;
    }

    @Override
    public Rejections rejections() {
        return chat == null ? new Rejections() : chat.rejections();
    }

    @Override
    public void close() {
        SourceBytes.close(in);
    }
}
