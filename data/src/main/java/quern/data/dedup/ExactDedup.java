package quern.data.dedup;

import java.util.List;
import java.util.Optional;
import quern.data.corpus.Deduplication;
import quern.data.dedup.internal.BlobFile;
import quern.data.dedup.internal.CorpusPass;
import quern.data.dedup.internal.Drops;
import quern.data.dedup.internal.RecordSorter;
import quern.data.dedup.internal.RepeatedLines;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Removes documents whose texts are equal, or lines that stood in the corpus before (as CCNet does with paragraphs, Wenzek et
 * al. 2020, arXiv:1911.00359), after folding what does not count. Texts are compared by 128-bit hashes, which are sorted
 * outside memory.
 */
public final class ExactDedup implements Deduplication {
    /** What is compared. */
    public enum Unit {
        /** Whole texts. */
        DOCUMENTS,
        /** Single lines. */
        LINES
    }

    /**
     * @param unit what is compared
     * @param keep which document of those that are equal stays
     * @param lowercase whether letters are compared in lower case
     * @param stripPunctuation whether punctuation and symbols do not count
     * @param collapseWhitespace whether runs of white space count as one blank
     * @param unicode the normal form that texts are compared in
     * @param minLineLength shorter lines are left alone
     */
    public record Config(
            @Doc(
                    "What is compared: whole documents, or lines, of which those that stood in the corpus before are taken out.")
            @Default("documents")
            Unit unit,

            @Doc("Which document of those that are equal stays.") @Default("first")
            Keep keep,

            @Doc("Compare letters in lower case.") @Default("false")
            boolean lowercase,

            @Doc("Leave out punctuation and symbols when comparing.") @Default("false")
            boolean stripPunctuation,

            @Doc("Compare runs of white space as one blank, none at the ends.") @Default("false")
            boolean collapseWhitespace,

            @Doc("The normal form of Unicode that texts are compared in.") @Default("none")
            UnicodeForm unicode,

            @Doc(
                    "Lines with fewer characters are left alone, blanks at their ends not counted. For lines; 1 if not given, so that empty lines stay.")
            @Range(min = 1)
            Optional<Integer> minLineLength) {
        /** Refuses settings that would have no effect. */
        public Config {
            if (unit == Unit.LINES && keep == Keep.LONGEST) {
                throw new IllegalArgumentException("keep: of equal lines the first stays; leave it out");
            }
            if (unit == Unit.DOCUMENTS && minLineLength.isPresent()) {
                throw new IllegalArgumentException(
                        "min_line_length: whole documents are compared; leave it out, or use unit: lines");
            }
            if (keep == Keep.LONGEST && !stripPunctuation && !collapseWhitespace && unicode == UnicodeForm.NONE) {
                throw new IllegalArgumentException(
                        "keep: equal texts are equally long unless strip_punctuation, collapse_whitespace or unicode is set; leave it out");
            }
        }

        /** What differences do not count. */
        public Folding folding() {
            return new Folding(lowercase, stripPunctuation, collapseWhitespace, unicode);
        }

        /** Which lines count. */
        public Lines lines() {
            return new Lines(folding(), minLineLength.orElse(1));
        }
    }

    @Override
    public String id() {
        return "exact_dedup";
    }

    @Override
    public String summary() {
        return "remove documents or lines that were there before";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Decisions decide(Corpus corpus, Record config, Context context) {
        Config settings = (Config) config;
        return settings.unit == Unit.DOCUMENTS
                ? documents(corpus, settings, context)
                : lines(corpus, settings, context);
    }

    private Decisions documents(Corpus corpus, Config config, Context context) {
        BlobFile ids = new BlobFile(context.scratch(), "ids");
        Drops drops = new Drops(id(), ids, context.scratch(), context.memoryBytes() / 4);
        try (RecordSorter hashes = new RecordSorter(context.scratch(), "hashes", 4, context.memoryBytes() / 2)) {
            long[] record = new long[4];
            CorpusPass.run(
                    corpus,
                    context,
                    id(),
                    () -> {
                        TextHash.Reader reader = new TextHash.Reader(config.folding());
                        return document -> reader.of(document.text());
                    },
                    (index, document, hash) -> {
                        ids.add(document.id());
                        record[0] = hash.high();
                        record[1] = hash.low();
                        record[2] = config.keep.rank(document.text());
                        record[3] = index;
                        hashes.add(record);
                    });
            ids.seal();
            try (RecordSorter.Cursor sorted = hashes.sorted()) {
                long high = 0;
                long low = 0;
                boolean open = false;
                while (sorted.next(record)) {
                    if (open && record[0] == high && record[1] == low) {
                        drops.drop(record[3]);
                    } else {
                        drops.begin(record[3]);
                    }
                    high = record[0];
                    low = record[1];
                    open = true;
                }
            }
            return drops.sealed();
        } catch (RuntimeException | Error e) {
            drops.close();
            throw e;
        }
    }

    private Decisions lines(Corpus corpus, Config config, Context context) {
        RepeatedLines repeated = new RepeatedLines(id(), context.scratch(), context.memoryBytes() / 4);
        try (RecordSorter hashes = new RecordSorter(context.scratch(), "hashes", 3, context.memoryBytes() / 2)) {
            long[] record = new long[3];
            CorpusPass.run(
                    corpus,
                    context,
                    id(),
                    () -> {
                        Lines.Reader reader = config.lines().reader();
                        return document -> reader.of(document.text());
                    },
                    (index, document, lines) -> add(hashes, record, index, lines));
            try (RecordSorter.Cursor sorted = hashes.sorted()) {
                long high = 0;
                long low = 0;
                boolean open = false;
                while (sorted.next(record)) {
                    if (open && record[0] == high && record[1] == low) {
                        repeated.add(record[2]);
                    }
                    high = record[0];
                    low = record[1];
                    open = true;
                }
            }
            return repeated.sealed(hashes.size());
        } catch (RuntimeException | Error e) {
            repeated.close();
            throw e;
        }
    }

    private static void add(RecordSorter hashes, long[] record, long index, List<Lines.Line> lines) {
        for (Lines.Line line : lines) {
            record[0] = line.hash().high();
            record[1] = line.hash().low();
            record[2] = RepeatedLines.place(index, line.number());
            hashes.add(record);
        }
    }
}
