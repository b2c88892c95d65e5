package quern.data.corpus.source;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.data.TextUnit;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.Quarantine;
import quern.data.corpus.internal.LineRecords;
import quern.data.corpus.internal.SourceInput;
import quern.data.corpus.internal.TextDecoder;
import quern.recipe.Default;
import quern.recipe.Doc;

/**
 * Plain text: a file, a paragraph (lines up to a blank one) or a line is a document. The character set is found for each
 * document, so a file may hold several.
 */
public final class TextSource implements CorpusReader {
    /**
     * @param unit what a document is
     * @param encoding the character set, where it is known; a byte order mark and valid UTF-8 win over it
     */
    public record Config(
            @Doc("What a document is: file, paragraph or line.") @Default("file")
            TextUnit unit,

            @Doc("The character set where it is known, such as windows-1251; it is found out otherwise.")
            Optional<String> encoding) {}

    @Override
    public String id() {
        return "text";
    }

    @Override
    public String summary() {
        return "plain text: a file, a paragraph or a line is a document";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Set<String> endings() {
        return Set.of(".txt", ".text", ".md");
    }

    @Override
    public Records open(CorpusFile file, Record config, Quarantine quarantine) {
        Config own = (Config) config;
        return own.unit() == TextUnit.FILE ? new Whole(file, own, quarantine) : new Lines(file, own, quarantine);
    }

    /** Bytes of a document. */
    private record Piece(String id, String origin, byte[] content, Optional<String> encoding) implements Raw {
        @Override
        public long bytes() {
            return content.length;
        }

        @Override
        public List<CorpusDocument> documents(Quarantine quarantine) {
            String text = TextDecoder.decode(content, encoding, quarantine);
            int at = text.indexOf(0);
            if (at >= 0) {
                quarantine.add(id, "binary", "a NUL character at place %,d; expected text".formatted(at));
                return List.of();
            }
            return List.of(new CorpusDocument(id, origin, text));
        }
    }

    private static final class Whole implements Records {
        private final CorpusFile file;
        private final Config config;
        private final Quarantine quarantine;
        private boolean read;

        Whole(CorpusFile file, Config config, Quarantine quarantine) {
            this.file = file;
            this.config = config;
            this.quarantine = quarantine;
        }

        @Override
        public Raw next() {
            if (read) {
                return null;
            }
            read = true;
            return content(file, quarantine)
                    .map(bytes -> new Piece(file.origin(), file.origin(), bytes, config.encoding()))
                    .orElse(null);
        }

        @Override
        public void close() {}
    }

    /** The bytes of a file that is one record; empty where they are too many or can't be read. */
    static Optional<byte[]> content(CorpusFile file, Quarantine quarantine) {
        try (SourceInput in = new SourceInput(file, quarantine)) {
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            byte[] buffer = new byte[1 << 16];
            int n;
            while ((n = in.read(buffer, 0, buffer.length)) >= 0) {
                all.write(buffer, 0, n);
                if (all.size() > file.maxDocumentBytes()) {
                    quarantine.add(
                            file.origin(),
                            "too_large",
                            "more than the limit of %,d bytes; a text of many documents is read with unit: paragraph or line"
                                    .formatted(file.maxDocumentBytes()));
                    return Optional.empty();
                }
            }
            return in.failed() ? Optional.empty() : Optional.of(all.toByteArray());
        }
    }

    private static final class Lines implements Records {
        private final CorpusFile file;
        private final Config config;
        private final Quarantine quarantine;
        private final LineRecords lines;
        private final boolean paragraphs;

        Lines(CorpusFile file, Config config, Quarantine quarantine) {
            this.file = file;
            this.config = config;
            this.quarantine = quarantine;
            this.paragraphs = config.unit() == TextUnit.PARAGRAPH;
            this.lines = new LineRecords(file, quarantine);
        }

        @Override
        public Raw next() {
            ByteArrayOutputStream paragraph = new ByteArrayOutputStream();
            long first = 0;
            while (true) {
                byte[] line = lines.next();
                boolean blank = line == null || isBlank(line);
                if (!blank) {
                    if (!paragraphs) {
                        return piece(lines.line(), line);
                    }
                    first = paragraph.size() == 0 ? lines.line() : first;
                    paragraph.writeBytes(line);
                    paragraph.write('\n');
                    if (paragraph.size() > file.maxDocumentBytes()) {
                        quarantine.add(
                                file.origin() + ":" + first,
                                "too_large",
                                "a paragraph of more than the limit of %,d bytes".formatted(file.maxDocumentBytes()));
                        while (line != null && !isBlank(line)) {
                            line = lines.next();
                        }
                        paragraph.reset();
                    }
                } else if (paragraph.size() > 0) {
                    return piece(first, Arrays.copyOf(paragraph.toByteArray(), paragraph.size() - 1));
                }
                if (line == null) {
                    return null;
                }
            }
        }

        private Piece piece(long line, byte[] bytes) {
            return new Piece(file.origin() + "#" + line, file.origin(), bytes, config.encoding());
        }

        private static boolean isBlank(byte[] line) {
            for (byte b : line) {
                if (b != ' ' && b != '\t' && b != '\r' && b != '\f') {
                    return false;
                }
            }
            return true;
        }

        @Override
        public void close() {
            lines.close();
        }
    }
}
