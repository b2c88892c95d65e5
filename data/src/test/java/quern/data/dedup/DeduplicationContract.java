package quern.data.dedup;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.corpus.Deduplication;
import quern.recipe.RecipeFile;
import quern.recipe.Techniques;
import quern.testkit.PlantedTexts;

/** What holds of every technique that removes duplicates. */
abstract class DeduplicationContract {
    private static final int SIZE = 2000;

    @TempDir
    Path scratch;

    abstract Deduplication technique();

    /** Settings as a recipe has them, defaults for the rest. */
    Record config(String yaml) {
        return RecipeFile.load("test", yaml, List.of()).bind(technique().config());
    }

    MemoryCorpus.Outcome outcome(MemoryCorpus corpus, String yaml) {
        return corpus.judgedBy(technique(), config(yaml), scratch, 2, MemoryCorpus.PLENTY);
    }

    /** Every third text is equal to one before it, and every fifth a near-duplicate at 0.9. */
    static MemoryCorpus repeating() {
        PlantedTexts texts = new PlantedTexts(7, 5, new double[] {0.9, 0.9}, 40, 120);
        return new MemoryCorpus(SIZE, i -> texts.text(i % 3 == 2 ? i / 3 : i));
    }

    @Test
    void isFoundByItsName() {
        assertTrue(Techniques.all().stream()
                .anyMatch(t ->
                        t.kind().equals("dedup") && t.id().equals(technique().id())));
    }

    @Test
    void threadsAndMemoryDoNotChangeTheAnswer() throws IOException {
        MemoryCorpus corpus = repeating();
        Record config = config("{}");
        MemoryCorpus.Outcome one = corpus.judgedBy(technique(), config, scratch, 1, MemoryCorpus.PLENTY);
        MemoryCorpus.Outcome many = corpus.judgedBy(technique(), config, scratch, 4, MemoryCorpus.SCARCE);
        assertEquals(one, many);
        assertTrue(
                one.dropped().size() > SIZE / 5,
                () -> "dropped " + one.dropped().size());
        try (var left = Files.list(scratch)) {
            assertEquals(List.of(), left.toList(), "spills are deleted");
        }
    }

    @Test
    void everyClusterKeepsOneAndWhatIsLeftHasNone() {
        MemoryCorpus corpus = repeating();
        MemoryCorpus.Outcome outcome = outcome(corpus, "{}");
        Set<Integer> dropped = new HashSet<>(outcome.dropped());
        List<String> kept = new ArrayList<>();
        for (int i = 0; i < corpus.size(); i++) {
            if (!dropped.contains(i)) {
                kept.add(corpus.document(i).text());
            }
        }
        assertEquals(kept.size(), new HashSet<>(kept).size(), "no two texts left are equal");
        Set<String> all = new HashSet<>();
        for (Deduplication.Cluster cluster : outcome.examples()) {
            assertFalse(dropped.contains(Integer.parseInt(cluster.kept().substring(1))), cluster::toString);
            assertTrue(cluster.size() > cluster.dropped().size() && all.add(cluster.kept()), cluster::toString);
        }
        MemoryCorpus rest = MemoryCorpus.of(kept.toArray(String[]::new));
        assertEquals(List.of(), outcome(rest, "{}").dropped());
    }

    @Test
    void anEmptyCorpusIsNoError() {
        assertEquals(List.of(), outcome(MemoryCorpus.of(), "{}").dropped());
    }
}
