package quern.data.internal;

import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import quern.data.ChatTemplate;
import quern.data.DataFormat;
import quern.data.Document;
import quern.recipe.QuernException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.databind.util.TokenBuffer;

/**
 * A JSON file that is one list of rows, read one at a time: {@link InstructionRow instruction rows}, or {@link ChatRow
 * conversations} where the configuration or the first row says so.
 */
final class JsonArrayReader implements DocumentReader {
    private final Path file;
    private final Utf8Reader in;
    private final JsonParser parser;
    private final ArrayDeque<Document> ready = new ArrayDeque<>();
    private final ChatTemplate template;
    private Optional<DataFormat> format;
    /** Null until the first row of a conversation. */
    private ChatRow chat;

    /** The first row, where it was looked at; otherwise null. */
    private TokenBuffer kept;

    private boolean started;
    private boolean ended;
    private long row;
    private long loneSurrogates;
    private long empty;

    JsonArrayReader(
            Path file, InputStream in, Optional<DataFormat> format, Optional<ChatTemplate> template, int limit) {
        this.format = format;
        this.template = template.orElse(null);
        this.file = file;
        // The parser of bytes would refuse invalid ones; this reader replaces and counts them.
        this.in = new Utf8Reader(file, in);
        this.parser = JsonTokens.factory(limit).createParser(ObjectReadContext.empty(), this.in);
    }

    @Override
    public Document next() {
        while (ready.isEmpty() && !ended) {
            try {
                advance();
            } catch (JacksonException e) {
                long line = e.getLocation() == null ? 0 : e.getLocation().getLineNr();
                throw JsonTokens.invalid(file, line, e, "after row %d; repair the file".formatted(row));
            }
        }
        return ready.poll();
    }

    private void advance() {
        JsonToken token = parser.nextToken();
        if (!started) {
            started = true;
            if (token != JsonToken.START_ARRAY) {
                throw QuernException.badInput(
                        "%s: a list of rows was expected, found %s; a .json file must look like [{\"instruction\": \"…\", \"input\": \"…\", \"output\": \"…\"}, …]",
                        file, JsonTokens.describe(token));
            }
            token = parser.nextToken();
        }
        if (token == JsonToken.END_ARRAY) {
            ended = true;
            if (parser.nextToken() != null) {
                throw QuernException.failed("%s: there is something behind the list of rows; expected one list", file);
            }
            return;
        }
        row++;
        long line = parser.currentTokenLocation().getLineNr();
        String place = "%s:%d: row %d".formatted(file, line, row);
        if (token != JsonToken.START_OBJECT) {
            throw QuernException.badInput(
                    "%s: an object with instruction, input and output was expected, found %s",
                    place, JsonTokens.describe(token));
        }
        if (format.isEmpty()) {
            format = Optional.of(recognize());
        }
        if (format.get().mayHoldMessages()) {
            if (chat == null) {
                chat = new ChatRow(format.get(), template);
            }
            ready.addAll(chat.read(row(), file.toString(), line, place));
            return;
        }
        InstructionRow found = InstructionRow.read(row(), place);
        loneSurrogates += found.loneSurrogates();
        if (found.isEmpty()) {
            empty++;
        } else {
            ready.addAll(found.wellFormed().documents(file.toString(), line));
        }
    }

    /** The form of the row that the parser stands at; the row is kept to be read again. */
    private DataFormat recognize() {
        JsonParser first = row();
        TokenBuffer buffered = TokenBuffer.forBuffering(first, ObjectReadContext.empty());
        buffered.copyCurrentStructure(first);
        kept = buffered;
        Set<String> keys = new LinkedHashSet<>();
        try (JsonParser again = buffered.asParser(ObjectReadContext.empty())) {
            again.nextToken();
            while (again.nextToken() == JsonToken.PROPERTY_NAME) {
                keys.add(again.currentName());
                again.nextToken();
                again.skipChildren();
            }
        }
        return InstructionRow.isOne(keys)
                ? DataFormat.INSTRUCTION
                : ChatRow.recognize(keys).orElse(DataFormat.INSTRUCTION);
    }

    /** A parser at the start of the row. */
    private JsonParser row() {
        if (kept == null) {
            return parser;
        }
        JsonParser again = kept.asParser(ObjectReadContext.empty());
        again.nextToken();
        kept = null;
        return again;
    }

    @Override
    public long invalid() {
        return in.invalid() + loneSurrogates + (chat == null ? 0 : chat.loneSurrogates());
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
        in.close();
    }
}
