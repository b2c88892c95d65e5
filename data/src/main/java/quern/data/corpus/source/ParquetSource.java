package quern.data.corpus.source;

import dev.hardwood.HardwoodContext;
import dev.hardwood.InputFile;
import dev.hardwood.reader.ParquetFileReader;
import dev.hardwood.reader.RowReader;
import dev.hardwood.schema.ColumnProjection;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.logging.Level;
import java.util.logging.Logger;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.Quarantine;
import quern.data.internal.Utf8;
import quern.recipe.Default;
import quern.recipe.Doc;

/**
 * Parquet files, plain or with pages under Snappy, gzip or Zstandard: a row is a document. Only the named columns are
 * read, page by page.
 */
public final class ParquetSource implements CorpusReader {
    private static final int READER_THREADS = 1;
    /** Kept, since the platform forgets a logger's level with the logger. The library tells which codecs it uses. */
    private static final Logger QUIET = Logger.getLogger("dev.hardwood");

    static {
        QUIET.setLevel(Level.WARNING);
    }

    /**
     * @param field the column of the text
     * @param urlField the column of the page's address
     * @param labels columns of plain values that become labels
     */
    public record Config(
            @Doc("The column of the text.") @Default("text") String field,

            @Doc("The column of the page's address.") Optional<String> urlField,

            @Doc("Columns of plain values that become labels.") @Default("[]")
            List<String> labels) {
        /** Takes a copy. */
        public Config {
            labels = List.copyOf(labels);
        }
    }

    @Override
    public String id() {
        return "parquet";
    }

    @Override
    public String summary() {
        return "Parquet: a row is a document, the text in one column";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Set<String> endings() {
        return Set.of(".parquet");
    }

    @Override
    public Records open(CorpusFile file, Record config, Quarantine quarantine) {
        return new Rows(file, (Config) config, quarantine);
    }

    private static final class Rows implements Records {
        private final CorpusFile file;
        private final Config config;
        private final Quarantine quarantine;
        private final HardwoodContext context = HardwoodContext.create(READER_THREADS);
        private final Set<String> there = new LinkedHashSet<>();
        private ParquetFileReader parquet;
        private RowReader rows;
        private long row;

        Rows(CorpusFile file, Config config, Quarantine quarantine) {
            this.file = file;
            this.config = config;
            this.quarantine = quarantine;
            try {
                parquet = ParquetFileReader.open(InputFile.of(file.path()), context);
                List<String> names = new ArrayList<>();
                parquet.getFileSchema().getColumns().forEach(column -> names.add(column.name()));
                if (!names.contains(config.field())) {
                    quarantine.add(
                            file.origin(),
                            "missing_field",
                            "no column '%s'; found %s; set field in this source"
                                    .formatted(config.field(), String.join(", ", names)));
                    return;
                }
                there.add(config.field());
                config.urlField().filter(names::contains).ifPresent(there::add);
                config.labels().stream().filter(names::contains).forEach(there::add);
                rows = parquet.buildRowReader()
                        .projection(ColumnProjection.columns(there.toArray(String[]::new)))
                        .build();
            } catch (IOException | RuntimeException e) {
                invalid(e);
            }
        }

        /** The library tells of damaged files by exceptions of many kinds. */
        private void invalid(Exception e) {
            quarantine.add(
                    file.origin(),
                    "invalid_parquet",
                    "the file is left out from row %,d on: %s".formatted(row, e.getMessage()));
            rows = null;
        }

        @Override
        public Raw next() {
            while (rows != null) {
                try {
                    if (!rows.hasNext()) {
                        return null;
                    }
                    rows.next();
                    row++;
                    String text = rows.isNull(config.field()) ? null : value(config.field());
                    if (text == null) {
                        quarantine.add(file.origin() + ":" + row, "wrong_type", "the text is null");
                    } else if (text.length() > file.maxDocumentBytes()) {
                        quarantine.add(
                                file.origin() + ":" + row,
                                "too_large",
                                "%,d characters, over the limit of %,d bytes"
                                        .formatted(text.length(), file.maxDocumentBytes()));
                    } else {
                        return raw(text);
                    }
                } catch (RuntimeException e) {
                    invalid(e);
                }
            }
            return null;
        }

        private Raw raw(String text) {
            Map<String, String> labels = new TreeMap<>();
            for (String label : config.labels()) {
                if (there.contains(label) && !rows.isNull(label)) {
                    labels.put(label, value(label));
                }
            }
            Optional<String> url = config.urlField()
                    .filter(there::contains)
                    .filter(f -> !rows.isNull(f))
                    .map(this::value);
            String whole = Utf8.countLoneSurrogates(text) > 0 ? Utf8.replaceLoneSurrogates(text) : text;
            CorpusDocument document = new CorpusDocument(file.origin() + "#" + row, file.origin(), url, whole, labels);
            return new Raw() {
                @Override
                public long bytes() {
                    return 2L * whole.length();
                }

                @Override
                public List<CorpusDocument> documents(Quarantine more) {
                    return List.of(document);
                }
            };
        }

        private String value(String column) {
            Object value = rows.getValue(column);
            return value instanceof byte[] bytes
                    ? new String(bytes, java.nio.charset.StandardCharsets.UTF_8)
                    : String.valueOf(value);
        }

        @Override
        public void close() {
            try {
                if (rows != null) {
                    rows.close();
                }
                if (parquet != null) {
                    parquet.close();
                }
            } catch (IOException e) {
                invalid(e);
            } finally {
                context.close();
            }
        }
    }
}
