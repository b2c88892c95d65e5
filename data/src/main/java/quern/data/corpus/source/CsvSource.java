package quern.data.corpus.source;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.Quarantine;
import quern.data.corpus.internal.LineRecords;
import quern.data.corpus.internal.TextDecoder;
import quern.recipe.Default;
import quern.recipe.Doc;

/**
 * Comma-separated values as RFC 4180 describes them: the first row names the columns; a value in quotes may hold
 * delimiters, ends of lines and, doubled, quotes. Files that end in {@code .tsv} are delimited by tabs.
 */
public final class CsvSource implements CorpusReader {
    private static final char QUOTE = '"';

    /**
     * @param field the column of the text
     * @param urlField the column of the page's address
     * @param labels columns that become labels
     * @param delimiter between values, one ASCII character; by the file's name where it is absent
     */
    public record Config(
            @Doc("The column of the text.") @Default("text") String field,

            @Doc("The column of the page's address.") Optional<String> urlField,

            @Doc("Columns that become labels.") @Default("[]")
            List<String> labels,

            @Doc("What stands between values: one ASCII character; a comma, or a tab in .tsv files, if absent.")
            Optional<String> delimiter) {
        /** Refuses delimiters that are none. */
        public Config {
            labels = List.copyOf(labels);
            if (delimiter.isPresent()
                    && (delimiter.get().length() != 1
                            || delimiter.get().charAt(0) > 0x7e
                            || "\"\r\n".contains(delimiter.get()))) {
                throw new IllegalArgumentException(
                        "delimiter: expected one ASCII character that is no quote and no end of line");
            }
        }
    }

    @Override
    public String id() {
        return "csv";
    }

    @Override
    public String summary() {
        return "comma- or tab-separated values with a row of names, the text in one column";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Set<String> endings() {
        return Set.of(".csv", ".tsv");
    }

    @Override
    public Records open(CorpusFile file, Record config, Quarantine quarantine) {
        return new Rows(file, (Config) config, quarantine);
    }

    private static final class Rows implements Records {
        private final CorpusFile file;
        private final Config config;
        private final Quarantine quarantine;
        private final LineRecords lines;
        private final char delimiter;
        private List<String> names;

        Rows(CorpusFile file, Config config, Quarantine quarantine) {
            this.file = file;
            this.config = config;
            this.quarantine = quarantine;
            boolean tabs = file.origin().replaceFirst("\\.(gz|zst)$", "").endsWith(".tsv");
            this.delimiter = config.delimiter().map(d -> d.charAt(0)).orElse(tabs ? '\t' : ',');
            this.lines = new LineRecords(file, quarantine, (byte) QUOTE, (byte) delimiter);
        }

        @Override
        public Raw next() {
            while (true) {
                byte[] line = lines.next();
                if (line == null) {
                    return null;
                }
                if (line.length == 0) {
                    continue;
                }
                if (names == null) {
                    names = split(TextDecoder.decode(line, Optional.empty(), quarantine), delimiter);
                    if (!names.contains(config.field())) {
                        quarantine.add(
                                file.origin() + ":1",
                                "missing_field",
                                "no column '%s'; found %s; set field in this source, and delimiter where it is not '%s'"
                                        .formatted(
                                                config.field(),
                                                String.join(", ", names.subList(0, Math.min(names.size(), 12))),
                                                delimiter == '\t' ? "\\t" : delimiter));
                        return null;
                    }
                    continue;
                }
                return new Row(file.origin(), lines.line(), line, config, names, delimiter);
            }
        }

        @Override
        public void close() {
            lines.close();
        }
    }

    /** The values of a row; a quote that is never closed reaches to its end. */
    static List<String> split(String row, char delimiter) {
        List<String> values = new ArrayList<>();
        StringBuilder value = new StringBuilder();
        boolean quoted = false;
        for (int i = 0; i < row.length(); i++) {
            char c = row.charAt(i);
            if (quoted) {
                if (c != QUOTE) {
                    value.append(c);
                } else if (i + 1 < row.length() && row.charAt(i + 1) == QUOTE) {
                    value.append(QUOTE);
                    i++;
                } else {
                    quoted = false;
                }
            } else if (c == QUOTE && value.isEmpty()) {
                quoted = true;
            } else if (c == delimiter) {
                values.add(value.toString());
                value.setLength(0);
            } else {
                value.append(c);
            }
        }
        values.add(value.toString());
        return values;
    }

    private record Row(String origin, long line, byte[] content, Config config, List<String> names, char delimiter)
            implements Raw {
        @Override
        public long bytes() {
            return content.length;
        }

        @Override
        public List<CorpusDocument> documents(Quarantine quarantine) {
            List<String> values = split(TextDecoder.decode(content, Optional.empty(), quarantine), delimiter);
            if (values.size() != names.size()) {
                quarantine.add(
                        origin + ":" + line,
                        "wrong_columns",
                        "%d values, but %d columns are named".formatted(values.size(), names.size()));
                return List.of();
            }
            Map<String, String> labels = new TreeMap<>();
            for (String label : config.labels()) {
                if (names.contains(label)) {
                    labels.put(label, values.get(names.indexOf(label)));
                }
            }
            Optional<String> url = config.urlField().filter(names::contains).map(f -> values.get(names.indexOf(f)));
            return List.of(new CorpusDocument(
                    origin + "#" + line, origin, url, values.get(names.indexOf(config.field())), labels));
        }
    }
}
