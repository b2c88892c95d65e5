package quern.data.internal;

import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayDeque;
import quern.data.Document;
import quern.recipe.QuernException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;

/** A JSON file that is one list of {@link InstructionRow instruction rows}, read one at a time. */
final class JsonArrayReader implements DocumentReader {
    private final Path file;
    private final Utf8Reader in;
    private final JsonParser parser;
    private final ArrayDeque<Document> ready = new ArrayDeque<>();
    private boolean started;
    private boolean ended;
    private long row;
    private long loneSurrogates;
    private long empty;

    JsonArrayReader(Path file, InputStream in, int limit) {
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
        InstructionRow found = InstructionRow.read(parser, place);
        loneSurrogates += found.loneSurrogates();
        if (found.isEmpty()) {
            empty++;
        } else {
            ready.addAll(found.wellFormed().documents(file.toString(), line));
        }
    }

    @Override
    public long invalid() {
        return in.invalid() + loneSurrogates;
    }

    @Override
    public long empty() {
        return empty;
    }

    @Override
    public void close() {
        in.close();
    }
}
