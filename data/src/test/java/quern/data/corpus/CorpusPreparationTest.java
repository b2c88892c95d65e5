package quern.data.corpus;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.DataConfig;
import quern.data.Documents;
import quern.data.TokenStore;
import quern.data.Tokenizer;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;

class CorpusPreparationTest {
    @TempDir
    private Path folder;

    private String recipe(String output, String more) {
        return """
                sources: [{path: '%s/raw'}]
                stages:
                  - {type: length, min_words: 20}
                  - {type: pii}
                output_dir: '%s/%s'
                %s
                """.formatted(folder, folder, output, more);
    }

    private int raw() throws IOException {
        Files.createDirectories(folder.resolve("raw/deep"));
        int documents = Corpora.tales(folder.resolve("raw/a.jsonl.gz"), 1, 0.4);
        documents += Corpora.tales(folder.resolve("raw/deep/b.jsonl"), 2, 0.3);
        Files.writeString(folder.resolve("raw/short.txt"), "Too short to stay.\n");
        Files.writeString(folder.resolve("raw/.hidden.txt"), "x".repeat(500));
        return documents;
    }

    @Test
    void documentsReportAndTokensAreWritten() throws IOException {
        int documents = raw();
        PrepareReport report = CorpusPreparation.run(
                Corpora.recipe(recipe("out", "tokenizer: {type: bpe, vocab_size: 300}")), line -> {});
        assertEquals(documents, report.documents());
        StageReport length = report.stages().get(1);
        assertEquals(documents + 1, length.documentsIn());
        assertEquals(1, length.dropped().get("too_few_words"));
        assertEquals(
                "4 words, fewer than 20",
                length.examples().get("too_few_words").getFirst().detail());
        assertEquals(
                documents,
                length.lengths().values().stream().mapToLong(Long::longValue).sum());
        Path out = folder.resolve("out");
        String page = Files.readString(out.resolve("report.html"));
        assertTrue(page.contains("too_few_words") && page.contains("Too short to stay."), page);
        assertTrue(Files.readString(out.resolve("report.json")).contains("\"too_few_words\" : 1"));

        // What training reads: the same documents, and the tokens that were made here.
        DataConfig data = DataConfig.files(out.toString());
        List<String> texts = new ArrayList<>();
        Documents.open(data).texts().forEach(texts::add);
        assertEquals(documents, texts.size());
        Path cache = folder.resolve("cache");
        TokenStore store = TokenStore.prepare(data, Tokenizer.load(out), cache, line -> {});
        assertEquals(report.tokens().orElseThrow().train(), store.train().size());
        assertFalse(Files.exists(cache.resolve("tokens")), "the prepared tokens are used");

        // A folder that was moved brings its tokens along.
        Path moved = folder.resolve("moved");
        Files.move(out, moved);
        try (var shards = Files.list(moved.resolve("documents"))) {
            Files.setLastModifiedTime(shards.findFirst().orElseThrow(), FileTime.fromMillis(1));
        }
        TokenStore.prepare(DataConfig.files(moved.toString()), Tokenizer.load(moved), cache, line -> {});
        assertFalse(Files.exists(cache.resolve("tokens")));
    }

    @Test
    void threadsChangeNoByte() throws IOException {
        raw();
        CorpusPreparation.run(Corpora.recipe(recipe("one", "threads: 1")), line -> {});
        CorpusPreparation.run(Corpora.recipe(recipe("many", "threads: 7")), line -> {});
        assertArrayEquals(Corpora.documents(folder.resolve("one")), Corpora.documents(folder.resolve("many")));
    }

    @Test
    void whatIsWholeIsNotMadeAgain() throws IOException {
        raw();
        String yaml = recipe("out", "");
        CorpusPreparation.run(Corpora.recipe(yaml), line -> {});
        byte[] before = Corpora.documents(folder.resolve("out"));
        PrepareReport again = CorpusPreparation.run(Corpora.recipe(yaml), line -> {});
        assertTrue(again.stages().stream().allMatch(StageReport::cached));

        // Another second stage: the first two stay.
        PrepareReport changed =
                CorpusPreparation.run(Corpora.recipe(yaml.replace("{type: pii}", "{type: repetition}")), line -> {});
        assertEquals(
                List.of(true, true, false),
                changed.stages().stream().map(StageReport::cached).toList());

        // Another file: nothing stays but what is read again.
        CorpusPreparation.run(Corpora.recipe(yaml), line -> {});
        assertArrayEquals(before, Corpora.documents(folder.resolve("out")));
        Files.writeString(folder.resolve("raw/short.txt"), "word ".repeat(30));
        PrepareReport more = CorpusPreparation.run(Corpora.recipe(yaml), line -> {});
        assertEquals(again.documents() + 1, more.documents());
    }

    @Test
    void partialOutputIsNotTakenForWhole() throws IOException {
        raw();
        String yaml = recipe("out", "");
        CorpusPreparation.run(Corpora.recipe(yaml), line -> {});
        byte[] whole = Corpora.documents(folder.resolve("out"));
        List<Path> parts;
        try (var found = Files.walk(folder.resolve("out/.stages"))) {
            parts = found.filter(file -> file.toString().endsWith(".part"))
                    .sorted()
                    .toList();
        }
        for (Path part : parts) {
            byte[] bytes = Files.readAllBytes(part);
            Files.write(part, java.util.Arrays.copyOf(bytes, bytes.length / 2));
            Files.delete(folder.resolve("out/prepared.json"));
            CorpusPreparation.run(Corpora.recipe(yaml), line -> {});
            assertArrayEquals(whole, Corpora.documents(folder.resolve("out")), part.toString());
        }
    }

    @Test
    void shardsAreBounded() throws IOException {
        Files.createDirectories(folder.resolve("raw"));
        Corpora.tales(folder.resolve("raw/a.jsonl"), 5, 2.5);
        PrepareReport report = CorpusPreparation.run(Corpora.recipe(recipe("out", "shard_megabytes: 1")), line -> {});
        assertEquals(3, report.shards().size());
        assertTrue(report.shards().stream().allMatch(shard -> shard.plainBytes() <= 1_000_000));
        assertEquals(
                report.documents(),
                report.shards().stream()
                        .mapToLong(PrepareReport.Shard::documents)
                        .sum());
    }

    private QuernException refused(String yaml) {
        return assertThrows(QuernException.class, () -> CorpusPreparation.run(Corpora.recipe(yaml), line -> {}));
    }

    @Test
    void nothingLeftIsOneClearError() throws IOException {
        raw();
        QuernException none = refused(recipe("out", "").replace("min_words: 20", "min_words: 100000"));
        assertEquals(ExitCode.BAD_INPUT, none.exitCode());
        assertTrue(none.getMessage().contains("no document is left after 'length'"), none.getMessage());
        assertTrue(none.getMessage().contains("too_few_words"), none.getMessage());
        assertTrue(Files.exists(folder.resolve("out/report.html")));
    }

    @Test
    void aWrongFieldIsOneClearError() throws IOException {
        raw();
        QuernException none = refused(recipe("out", "").replace("/raw'", "/raw/*.jsonl.gz', field: content"));
        assertTrue(none.getMessage().contains("missing_field"), none.getMessage());
        assertTrue(none.getMessage().contains("no key 'content'; found id, origin, text"), none.getMessage());
    }

    @Test
    void unknownNamesAreAnsweredWithTheNearest() throws IOException {
        raw();
        assertTrue(refused(recipe("out", "").replace("type: pii", "type: gopher_qualty"))
                .getMessage()
                .contains("did you mean 'gopher_quality'?"));
        assertTrue(refused(recipe("out", "").replace("min_words: 20", "min_word: 20"))
                .getMessage()
                .contains("did you mean 'min_words'?"));
        assertTrue(refused(recipe("out", "").replace("/raw'", "/row'"))
                .getMessage()
                .contains("no such file or folder"));
    }

    @Test
    void linksDoNotLeaveTheFolder() throws IOException {
        raw();
        Path secret = folder.resolve("secret.txt");
        Files.writeString(secret, "a secret of many words ".repeat(50));
        Files.createSymbolicLink(folder.resolve("raw/link.txt"), secret);
        Files.createSymbolicLink(folder.resolve("raw/inside.txt"), folder.resolve("raw/short.txt"));
        PreparePlan plan = PreparePlan.of(Corpora.recipe(recipe("out", "")));
        List<String> names = plan.sources().stream()
                .map(source -> source.file().path().getFileName().toString())
                .toList();
        assertEquals(List.of("a.jsonl.gz", "b.jsonl", "inside.txt", "short.txt"), names);
    }

    @Test
    void anOutputIsNoSource() throws IOException {
        raw();
        QuernException own = refused("""
                sources: [{path: '%s/raw'}]
                output_dir: '%s/raw'
                """.formatted(folder, folder));
        assertTrue(own.getMessage().contains("lies in output_dir"), own.getMessage());
    }

    @Test
    void whatCanNotWorkIsRefusedBeforeTheFirstDocumentIsRead() throws IOException {
        raw();
        for (String[] wrong : new String[][] {
            {"tokenizer: {type: bpee}", "did you mean 'bpe'?"},
            {"tokenizer: {type: bpe, vocab_sise: 300}", "did you mean 'vocab_size'?"},
            {"tokenizer: {path: '%s/none'}".formatted(folder), "no such file"}
        }) {
            String told = refused(recipe("out", wrong[0])).getMessage();
            assertTrue(told.contains(wrong[1]), told);
        }
        QuernException language = refused(recipe("out", "").replace("{type: pii}", "{type: language, keep: [enn]}"));
        assertTrue(language.getMessage().contains("test:4:"), language.getMessage());
        assertTrue(language.getMessage().contains("did you mean 'en'?"), language.getMessage());
        assertFalse(Files.exists(folder.resolve("out")), "nothing was done");
    }

    @Test
    void aSourceIsNamedOnce() throws IOException {
        raw();
        String twice = recipe("out", "")
                .replace("sources: [", "sources: [{path: '%s/./raw/deep/b.jsonl'}, ".formatted(folder));
        assertTrue(refused(twice).getMessage().contains("b.jsonl is a source already (test:1:"));
    }

    @Test
    void theOutputMayLieInTheFolderThatIsRead() throws IOException {
        raw();
        String yaml = recipe("raw/out", "");
        PrepareReport first = CorpusPreparation.run(Corpora.recipe(yaml), line -> {});
        PrepareReport again = CorpusPreparation.run(Corpora.recipe(yaml), line -> {});
        assertEquals(first.key(), again.key());
        assertTrue(again.stages().stream().allMatch(StageReport::cached));
    }

    @Test
    void aTokenizerUnderWayIsNotTakenForTheOneBefore() throws IOException {
        raw();
        CorpusPreparation.run(Corpora.recipe(recipe("out", "tokenizer: {type: bpe, vocab_size: 300}")), line -> {});
        List<String> marks = new ArrayList<>();
        CorpusPreparation.run(Corpora.recipe(recipe("out", "tokenizer: {type: bpe, vocab_size: 310}")), line -> {
            if (line.startsWith("training the tokenizer")) {
                try {
                    marks.add(Files.readString(folder.resolve("out/prepared.json")));
                } catch (IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            }
        });
        assertEquals(1, marks.size());
        assertTrue(marks.getFirst().contains("\"tokenizerKey\" : \"\""), marks.getFirst());
        assertEquals(310, Tokenizer.load(folder.resolve("out")).vocabularySize());
    }

    @Test
    void namesOfFilesDoNotFollowTheLocale() throws IOException {
        raw();
        Locale before = Locale.getDefault();
        // Its digits are others than 0 to 9.
        Locale.setDefault(Locale.forLanguageTag("ar-EG"));
        try {
            CorpusPreparation.run(Corpora.recipe(recipe("out", "tokenizer: {type: bpe, vocab_size: 300}")), line -> {});
        } finally {
            Locale.setDefault(before);
        }
        try (var files = Files.walk(folder.resolve("out"))) {
            assertEquals(
                    List.of(),
                    files.map(file -> file.getFileName().toString())
                            .filter(name -> name.chars().anyMatch(c -> c > 0x7f))
                            .toList());
        }
    }

    @Test
    void aRecipeFileHasOneBlock() {
        Block file = RecipeFile.load("r.yaml", "prepare: {sources: [{path: a.txt}]}\nstages: []\n", List.of());
        String told =
                assertThrows(QuernException.class, () -> PrepareRecipe.of(file)).getMessage();
        assertTrue(told.startsWith("r.yaml:2:") && told.contains("unknown key 'stages'"), told);
        assertEquals(1, PrepareRecipe.of(file.without("stages")).sources().size());
    }
}
