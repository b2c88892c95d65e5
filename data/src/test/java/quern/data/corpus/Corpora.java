package quern.data.corpus;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import quern.data.Tales;
import quern.data.corpus.internal.StageTally;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.RecipeFile;

/** Small corpora and recipes for tests. */
public final class Corpora {
    private Corpora() {}

    /** The block {@code prepare} that this YAML is. */
    public static PrepareRecipe recipe(String yaml) {
        return RecipeFile.load("test", yaml, List.of()).bind(PrepareRecipe.class);
    }

    /** A technique's config from keys and values. */
    public static Record config(quern.recipe.Technique technique, Object... keysAndValues) {
        Block block = Block.empty(Position.of("test"));
        for (int i = 0; i < keysAndValues.length; i += 2) {
            block = block.with((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return block.bind(technique.config());
    }

    /** The verdict of a filter on a text. */
    public static Verdict judge(DocumentFilter filter, String text, Object... keysAndValues) {
        try (DocumentFilter.Judge judge = filter.open(config(filter, keysAndValues))) {
            return judge.judge(new CorpusDocument("x", "x", text));
        }
    }

    /** Why a filter drops a text; "" where it doesn't. */
    public static String reason(DocumentFilter filter, String text, Object... keysAndValues) {
        return judge(filter, text, keysAndValues) instanceof Verdict.Drop drop ? drop.reason() : "";
    }

    /** What a reader makes of a file. */
    public record Read(List<CorpusDocument> documents, StageReport report) {
        List<String> texts() {
            return documents.stream().map(CorpusDocument::text).toList();
        }
    }

    /** Reads a file with a limit of a megabyte a record. */
    public static Read read(CorpusReader reader, Path file, Object... keysAndValues) {
        StageTally tally = new StageTally(5);
        List<CorpusDocument> documents = new ArrayList<>();
        CorpusFile source = new CorpusFile(file, file.getFileName().toString(), 1_000_000);
        try (CorpusReader.Records records = reader.open(source, config(reader, keysAndValues), tally)) {
            CorpusReader.Raw raw;
            while ((raw = records.next()) != null) {
                documents.addAll(raw.documents(tally));
            }
        }
        return new Read(documents, tally.report("read"));
    }

    /** Writes tales as JSON Lines, compressed where the name ends in .gz; gives the number of lines. */
    public static int tales(Path file, long seed, double megabytes) throws IOException {
        List<String> tales = new ArrayList<>();
        new Tales(seed).iterator(Math.round(megabytes * 1e6)).forEachRemaining(tales::add);
        try (OutputStream plain = Files.newOutputStream(file);
                OutputStream out = file.toString().endsWith(".gz") ? new GZIPOutputStream(plain) : plain) {
            for (String tale : tales) {
                String line = new CorpusDocument("i", "o", tale).toJson() + "\n";
                out.write(line.getBytes(UTF_8));
            }
        }
        return tales.size();
    }

    /** The bytes of all documents of a prepared folder. */
    public static byte[] documents(Path prepared) throws IOException {
        java.io.ByteArrayOutputStream all = new java.io.ByteArrayOutputStream();
        try (var files = Files.list(prepared.resolve("documents"))) {
            for (Path file : files.sorted().toList()) {
                all.writeBytes(Files.readAllBytes(file));
            }
        }
        return all.toByteArray();
    }
}
