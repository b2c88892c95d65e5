package quern.data.corpus.filter;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.Tales;
import quern.data.corpus.Corpora;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusPreparation;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.PrepareReport;
import quern.data.corpus.StageReport;
import quern.data.corpus.Verdict;
import quern.recipe.ExitCode;
import quern.recipe.Position;
import quern.recipe.QuernException;

class QualityClassifierFilterTest {
    /** Held-out texts that are told right; the two kinds share most of their words. */
    private static final double ACCURACY = 0.98;

    @TempDir
    private Path folder;

    private final List<String> good = new ArrayList<>();
    private final List<String> bad = new ArrayList<>();

    @BeforeEach
    void examples() throws IOException {
        Iterator<String> tales = new Tales(3).iterator(400_000);
        SplittableRandom random = new SplittableRandom(1);
        while (tales.hasNext()) {
            String tale = tales.next().replaceAll("\\s+", " ");
            good.add(tale);
            // The same words in another order: only pairs of words tell.
            List<String> words = new ArrayList<>(List.of(tale.split(" ")));
            for (int i = words.size() - 1; i > 0; i--) {
                java.util.Collections.swap(words, i, random.nextInt(i + 1));
            }
            bad.add(String.join(" ", words));
        }
        Files.write(folder.resolve("good.txt"), good.subList(0, good.size() / 2));
        Files.write(folder.resolve("bad.txt"), bad.subList(0, bad.size() / 3));
    }

    private Object[] settings(String model, Object... more) {
        List<Object> all = new ArrayList<>(List.of(
                "model", folder.resolve(model),
                "good", List.of(folder.resolve("good.txt").toString()),
                "bad", List.of(folder.resolve("bad.txt").toString()),
                "bits", 16));
        all.addAll(List.of(more));
        return all.toArray();
    }

    @Test
    void itTellsGoodFromBad() {
        QualityClassifierFilter filter = new QualityClassifierFilter();
        int right = 0;
        int all = 0;
        try (DocumentFilter.Judge judge = filter.open(Corpora.config(filter, settings("m.bin")))) {
            for (int i = good.size() / 2; i < good.size(); i++) {
                right += judge.judge(new CorpusDocument("g", "x", good.get(i))) instanceof Verdict.Replace ? 1 : 0;
                right += judge.judge(new CorpusDocument("b", "x", bad.get(i))) instanceof Verdict.Drop ? 1 : 0;
                all += 2;
            }
        }
        assertTrue(right >= ACCURACY * all, right + " of " + all);
    }

    @Test
    void trainingIsTheSameEachTimeAndSaved() throws IOException {
        QualityClassifierFilter filter = new QualityClassifierFilter();
        Verdict first = Corpora.judge(filter, good.getLast(), settings("a.bin"));
        Corpora.judge(filter, good.getLast(), settings("b.bin"));
        byte[] saved = Files.readAllBytes(folder.resolve("a.bin"));
        assertArrayEquals(saved, Files.readAllBytes(folder.resolve("b.bin")));
        // Read as it is, it gives the same.
        assertEquals(first, Corpora.judge(filter, good.getLast(), "model", folder.resolve("a.bin")));
        // Other settings train anew.
        Corpora.judge(filter, good.getLast(), settings("a.bin", "epochs", 1));
        assertTrue(!java.util.Arrays.equals(saved, Files.readAllBytes(folder.resolve("a.bin"))));
    }

    @Test
    void badFilesAreRefused() throws IOException {
        QualityClassifierFilter filter = new QualityClassifierFilter();
        Path model = folder.resolve("m.bin");
        QuernException missing = assertThrows(QuernException.class, () -> Corpora.judge(filter, "x", "model", model));
        assertEquals(ExitCode.BAD_INPUT, missing.exitCode());
        Corpora.judge(filter, "x", settings("m.bin"));
        byte[] bytes = Files.readAllBytes(model);
        bytes[bytes.length / 2] ^= 1;
        Files.write(model, bytes);
        QuernException damaged = assertThrows(QuernException.class, () -> Corpora.judge(filter, "x", "model", model));
        assertTrue(damaged.getMessage().contains("damaged"), damaged.getMessage());
        assertThrows(QuernException.class, () -> Corpora.judge(filter, "x", "model", model, "good", List.of("a.txt")));
    }

    @Test
    void examplesThatCanNotBeReadAreCountedInTheReport() throws IOException {
        Path some = Files.writeString(
                folder.resolve("some.jsonl"),
                "{\"text\": \"one good text\"}\n{broken\n{\"text\": \"another\"}\n{\"txt\": \"no text\"}\n");
        Path raw = Files.write(folder.resolve("raw.txt"), good.subList(0, 3));
        for (String output : List.of("trained", "read")) {
            PrepareReport report = CorpusPreparation.run(
                    Corpora.recipe("""
                    sources: [{path: '%s', unit: line}]
                    stages: [{type: quality_classifier, model: '%s', good: ['%s'], bad: ['%s'], bits: 8, threshold: 0}]
                    output_dir: '%s'
                    """.formatted(
                            raw, folder.resolve("some.bin"), some, folder.resolve("bad.txt"), folder.resolve(output))),
                    line -> {});
            StageReport stage = report.stages().get(1);
            assertEquals(
                    2,
                    stage.quarantined().values().stream()
                            .mapToLong(Long::longValue)
                            .sum(),
                    stage.quarantined()::toString);
            assertEquals(
                    List.of(some + ":2", some + ":4"),
                    stage.quarantine().values().stream()
                            .flatMap(List::stream)
                            .map(StageReport.Example::place)
                            .sorted()
                            .toList());
        }
    }

    @Test
    void whatCanNotBeUsedIsToldBeforeTheCorpusIsRead() throws IOException {
        QualityClassifierFilter filter = new QualityClassifierFilter();
        Position place = Position.of("r.yaml:7");
        Path text = Files.writeString(folder.resolve("text.txt"), "no classifier\n".repeat(20));
        Path none = folder.resolve("none.bin");
        Object[][] wrong = {
            {"no such file", "model", none},
            {"not a classifier", "model", text},
            {"not a classifier", "model", text, "good", List.of(text), "bad", List.of(text)},
            {"not a regular file", "model", none, "good", List.of(text), "bad", List.of(folder)},
            {"no such file", "model", none, "good", List.of(none), "bad", List.of(text)}
        };
        for (Object[] settings : wrong) {
            Record config = Corpora.config(
                    filter, java.util.Arrays.stream(settings).skip(1).toArray());
            QuernException told = assertThrows(QuernException.class, () -> filter.check(config, place));
            assertTrue(told.getMessage().contains((String) settings[0]), told.getMessage());
        }
        filter.check(Corpora.config(filter, settings("new.bin")), place);
        assertTrue(Files.notExists(folder.resolve("new.bin")));
        assertEquals(20, Files.readAllLines(text).size());
    }
}
