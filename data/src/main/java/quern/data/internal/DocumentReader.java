package quern.data.internal;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import quern.data.ChatTemplate;
import quern.data.DataConfig;
import quern.data.DataFormat;
import quern.data.Document;
import quern.data.TextUnit;
import quern.recipe.QuernException;

/** Reads the documents of one source, one after the other. */
public interface DocumentReader extends AutoCloseable {
    /** Characters in a piece of a long document. */
    int PIECE = 1 << 17;
    /** Bytes in a line of a {@code .jsonl} file, and characters in a line or paragraph of a {@code .txt} file. */
    int LINE_LIMIT = 64 << 20;

    /** The next document or piece; null at the end. */
    Document next();

    /** Invalid sequences replaced so far. */
    long invalid();

    /** Empty documents left out so far. */
    long empty();

    /** Rows left out so far because they are no conversation to learn from. */
    default Rejections rejections() {
        return new Rejections();
    }

    @Override
    void close();

    /**
     * Opens a file by its kind.
     *
     * @param template what makes texts of conversations
     */
    static DocumentReader open(Path file, DataConfig config, Optional<ChatTemplate> template) {
        SourceFiles.Kind kind = SourceFiles.kind(file);
        boolean instructions =
                config.format().isPresent() && !config.format().get().equals(DataFormat.TEXT);
        boolean texts = config.format().equals(Optional.of(DataFormat.TEXT));
        if (config.promptTemplates().isPresent() && kind != SourceFiles.Kind.JSON_LINES) {
            throw QuernException.badInput(
                    "%s: data.prompt_templates: phrase the rows of .jsonl files; name some, or leave it out", file);
        }
        if (kind == SourceFiles.Kind.TEXT && instructions || kind == SourceFiles.Kind.JSON && texts) {
            throw QuernException.badInput(
                    "%s: data.format: %s is read from %s files; leave format out or name other files",
                    file,
                    config.format().get().name().toLowerCase(Locale.ROOT),
                    instructions ? ".json and .jsonl" : ".txt and .jsonl");
        }
        SourceStream in = SourceStream.open(file);
        if (kind == SourceFiles.Kind.JSON_LINES) {
            return new JsonLinesReader(
                    file, in, config.field(), config.format(), template, config.promptTemplates(), LINE_LIMIT);
        }
        if (kind == SourceFiles.Kind.JSON) {
            return new JsonArrayReader(file, in, config.format(), template, LINE_LIMIT);
        }
        TextUnit unit = config.textUnit();
        return unit == TextUnit.FILE
                ? new WholeTextReader(file, in, PIECE)
                : new TextUnitReader(file, in, unit, LINE_LIMIT);
    }

    /** Cuts a document held in memory into pieces. */
    static List<Document> pieces(String origin, long line, String text, int pieceLength) {
        if (text.length() <= pieceLength) {
            return List.of(new Document(origin, line, text, true, true));
        }
        List<Document> pieces = new ArrayList<>();
        int from = 0;
        while (from < text.length()) {
            int to = text.length() - from <= pieceLength
                    ? text.length()
                    : from
                            + PieceCut.cut(
                                    text.substring(from, from + pieceLength).toCharArray(), pieceLength);
            pieces.add(new Document(origin, line, text.substring(from, to), from == 0, to == text.length()));
            from = to;
        }
        return pieces;
    }
}
