package quern.data.corpus.internal;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import quern.data.DataConfig;
import quern.data.TokenStore;
import quern.data.Tokenizer;
import quern.data.corpus.PreparePlan;
import quern.data.corpus.PrepareReport;
import quern.data.corpus.StageReport;
import quern.data.internal.Hash;
import quern.data.internal.PreparedFiles;
import quern.recipe.Block;
import quern.recipe.DurableFiles;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * The result: {@code documents/} (shards of JSON lines), {@code tokens/} and {@code tokenizer.json} where a tokenizer is
 * named, {@code report.html}, {@code report.json}, and {@code prepared.json}, which says what belongs together.
 */
public final class PreparedFolder {
    private static final JsonMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    private PreparedFolder() {}

    /** Writes it from the last step's output; what is there from before and fits stays. */
    public static PrepareReport write(
            PreparePlan plan, String key, List<StageReport> stages, StageRun run, long start, Consumer<String> note) {
        Path output = plan.recipe().outputDir();
        Optional<PreparedFiles> before = PreparedFiles.read(output);
        String documentsKey =
                new Hash().add(key).add(plan.recipe().shardMegabytes()).hex().substring(0, 32);
        List<PrepareReport.Shard> shards;
        Path mark = output.resolve(PreparedFiles.NAME);
        if (before.isPresent()
                && before.get().key().equals(documentsKey)
                && before.get().isWhole(output)) {
            shards = before.get().shards();
        } else {
            before = Optional.empty();
            delete(mark);
            shards = documents(plan, run);
            write(mark, new PreparedFiles(documentsKey, "", shards));
            note.accept("documents: %,d in %d shards".formatted(stages.getLast().documentsOut(), shards.size()));
        }
        Optional<PrepareReport.Tokens> tokens = Optional.empty();
        if (plan.recipe().tokenizer().isPresent()) {
            Block block = plan.recipe().tokenizer().get();
            DataConfig data =
                    DataConfig.files(output.resolve(PreparedFiles.DOCUMENTS).toString());
            PreparedTokenizer choice = PreparedTokenizer.of(block);
            String tokenizerKey = choice.key(documentsKey);
            Tokenizer tokenizer;
            if (before.isPresent() && before.get().tokenizerKey().equals(tokenizerKey)) {
                tokenizer = Tokenizer.load(output);
            } else {
                // Until the new one is whole the mark names none: a kill must not leave it under the old one's key.
                write(mark, new PreparedFiles(documentsKey, "", shards));
                tokenizer = choice.make(data, plan.recipe().threadCount(), note);
                tokenizer.save(output);
                write(mark, new PreparedFiles(documentsKey, tokenizerKey, shards));
            }
            TokenStore store = TokenStore.prepare(data, tokenizer, output, note);
            tokens = Optional.of(new PrepareReport.Tokens(
                    store.train().size(), store.validation().size(), tokenizer.vocabularySize()));
        }
        PrepareReport report = new PrepareReport(
                key,
                List.copyOf(stages),
                shards,
                stages.getLast().documentsOut(),
                tokens,
                (System.nanoTime() - start) / 1e9);
        pages(output, report);
        return report;
    }

    /** Describes a folder whose shards another engine wrote. */
    public static void describe(Path output, PrepareReport report) {
        write(output.resolve(PreparedFiles.NAME), new PreparedFiles(report.key(), "", report.shards()));
        pages(output, report);
    }

    /** The report alone, of a preparation that left nothing. */
    public static void writeReport(PreparePlan plan, List<StageReport> stages) {
        pages(plan.recipe().outputDir(), new PrepareReport("", List.copyOf(stages), List.of(), 0, Optional.empty(), 0));
    }

    private static void pages(Path output, PrepareReport report) {
        write(output.resolve("report.json"), report);
        DurableFiles.write(output.resolve("report.html"), ReportPage.of(report).getBytes(StandardCharsets.UTF_8));
    }

    private static void write(Path file, Object value) {
        DurableFiles.write(file, (JSON.writeValueAsString(value) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(file, -1, e);
        }
    }

    private static List<PrepareReport.Shard> documents(PreparePlan plan, StageRun run) {
        Path output = plan.recipe().outputDir();
        Path unfinished = output.resolve("." + PreparedFiles.DOCUMENTS + ".unfinished");
        DurableFiles.deleteTree(unfinished);
        try {
            Files.createDirectories(unfinished);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(unfinished, -1, e);
        }
        List<PrepareReport.Shard> shards;
        try (DocumentShards writer =
                new DocumentShards(unfinished, plan.recipe().shardMegabytes() * 1_000_000L)) {
            for (Path part : run.finalParts()) {
                try (PartFile.Reader reader = new PartFile.Reader(part)) {
                    run.pipe().run(StageRun.frames(reader), frame -> PartFile.plain(part, frame), writer::add);
                }
            }
            shards = writer.finish();
        }
        DurableFiles.replaceDirectory(unfinished, output.resolve(PreparedFiles.DOCUMENTS));
        return shards;
    }
}
