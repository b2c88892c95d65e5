package quern.data.corpus;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Augmentations as stages of a preparation. */
class AugmentedCorpusTest {
    @TempDir
    private Path folder;

    @Test
    void threadsChangeNoByteAndTheReportCountsChanges() throws IOException {
        Files.createDirectories(folder.resolve("raw"));
        int documents = Corpora.tales(folder.resolve("raw/a.jsonl"), 1, 0.1);
        PrepareReport one = prepare("one", 1);
        prepare("many", 4);
        assertArrayEquals(Corpora.documents(folder.resolve("one")), Corpora.documents(folder.resolve("many")));
        assertEquals(documents, one.documents());
        StageReport synonym = one.stages().get(1);
        assertEquals("synonym", synonym.type());
        double share = synonym.changed().get("changed_units")
                / (double) synonym.changed().get("units");
        assertTrue(share > 0.005 && share < 0.5, "share of words changed: " + share);
    }

    @Test
    void aChangedTargetChoosesAnew() throws IOException {
        Files.createDirectories(folder.resolve("raw"));
        int documents = Corpora.tales(folder.resolve("raw/a.jsonl"), 1, 0.05);
        Path target = folder.resolve("target.txt");
        String stages = "[{type: dsir, share: 0.5, target: ['%s']}]".formatted(target);
        Files.writeString(target, "The king rode to the castle.\n");
        StageReport first = prepare("chosen", 1, stages).stages().get(1);
        assertEquals(Math.round(documents * 0.5), first.documentsOut());
        assertTrue(prepare("chosen", 1, stages).stages().get(1).cached());
        Files.writeString(target, "A small boat on a wide lake.\n");
        assertFalse(prepare("chosen", 1, stages).stages().get(1).cached());
    }

    private PrepareReport prepare(String output, int threads) {
        return prepare(output, threads, "[{type: synonym, share: 0.5}, {type: noise_character, share: 0.01, seed: 3}]");
    }

    private PrepareReport prepare(String output, int threads, String stages) {
        return CorpusPreparation.run(
                Corpora.recipe("""
                        sources: [{path: '%s/raw'}]
                        stages: %s
                        threads: %d
                        output_dir: '%s/%s'
                        """.formatted(folder, stages, threads, folder, output)), line -> {});
    }
}
