package quern.data.corpus.internal;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.Quarantine;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;

/** Texts of a few files, held in memory; lines of {@code .txt} files, or whatever the readers' usual settings make. */
public final class ExampleTexts {
    private static final int MOST_BYTES = 8_000_000;

    private ExampleTexts() {}

    /** Who reads a file of this name. */
    public static CorpusReader reader(Path file) {
        return CorpusFiles.byName(file)
                .orElseThrow(() -> QuernException.badInput(
                        "%s: this kind of file is not known by its name; expected .jsonl or .txt", file));
    }

    /** The texts, in order. */
    public static List<String> read(List<Path> files) {
        List<String> texts = new ArrayList<>();
        read(files, new StageTally(0), texts::add);
        return texts;
    }

    /** Tells what of the files is not among the texts. */
    public static void quarantined(List<Path> files, Quarantine quarantine) {
        read(files, quarantine, text -> {});
    }

    private static void read(List<Path> files, Quarantine quarantine, Consumer<String> texts) {
        for (Path file : files) {
            CorpusReader reader = reader(file);
            Block settings = Block.empty(Position.of(file.toString()));
            if (reader.id().equals("text")) {
                settings = settings.with("unit", "line");
            }
            CorpusFile source = new CorpusFile(file, file.toString(), MOST_BYTES);
            try (CorpusReader.Records records = reader.open(source, settings.bind(reader.config()), quarantine)) {
                CorpusReader.Raw raw;
                while ((raw = records.next()) != null) {
                    raw.documents(quarantine).stream()
                            .map(CorpusDocument::text)
                            .filter(text -> !text.isBlank())
                            .forEach(texts);
                }
            }
        }
    }
}
