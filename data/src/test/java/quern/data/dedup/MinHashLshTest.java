package quern.data.dedup;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.corpus.Deduplication;
import quern.recipe.QuernException;
import quern.testkit.PlantedTexts;

class MinHashLshTest extends DeduplicationContract {
    private static final double[] SIMILARITIES = {0.9, 0.8, 0.7, 0.5};
    private static final int SIZE = 4000;

    @Override
    Deduplication technique() {
        return new MinHashLsh();
    }

    private static double jaccard(String a, String b) {
        Set<List<String>> shinglesOfA = PlantedTexts.shingles(a, 5);
        Set<List<String>> shared = new HashSet<>(PlantedTexts.shingles(b, 5));
        int both = shinglesOfA.size() + shared.size();
        shared.retainAll(shinglesOfA);
        return (double) shared.size() / (both - shared.size());
    }

    /** The issue of near-duplicates itself: found at the threshold, and nothing else dropped. */
    @ParameterizedTest
    @ValueSource(doubles = {0.5, 0.7, 0.8, 0.9})
    void findsWhatWasPlantedAtTheThresholdAndNothingElse(double threshold) {
        PlantedTexts texts = new PlantedTexts(3, 5, SIMILARITIES, 60, 260);
        MemoryCorpus corpus = new MemoryCorpus(SIZE, texts::text);
        MemoryCorpus.Outcome outcome = outcome(corpus, "{threshold: %s, keep: first}".formatted(threshold));
        Set<Integer> dropped = new HashSet<>(outcome.dropped());
        int planted = 0;
        int atThreshold = 0;
        int found = 0;
        int foundAtThreshold = 0;
        for (int i = 0; i < SIZE; i++) {
            int original = (int) texts.original(i);
            if (original == i || jaccard(texts.text(i), texts.text(original)) < threshold) {
                continue;
            }
            planted++;
            boolean hit = dropped.contains(i);
            found += hit ? 1 : 0;
            if (texts.similarity(i) == threshold) {
                atThreshold++;
                foundAtThreshold += hit ? 1 : 0;
            }
        }
        assertTrue(
                planted >= atThreshold && atThreshold >= SIZE / 10 * 9 / 10, "planted " + planted + ", " + atThreshold);
        assertTrue(foundAtThreshold >= 0.95 * atThreshold, foundAtThreshold + " of " + atThreshold);
        assertTrue(found >= 0.95 * planted, found + " of " + planted);
        // Similarity is verified, so whatever is dropped was planted.
        assertEquals(found, dropped.size());
    }

    @Test
    void identicalDocumentsAreOneClusterHoweverManyAndTheLongestStays() {
        PlantedTexts texts = new PlantedTexts(5, 5, new double[0], 50, 60);
        MemoryCorpus corpus = new MemoryCorpus(3000, i -> texts.text(1) + (i == 1700 ? " !!!" : ""));
        MemoryCorpus.Outcome outcome = outcome(corpus, "{}");
        assertEquals(2999, outcome.dropped().size());
        assertEquals("d1700", outcome.examples().getFirst().kept());
        assertEquals(3000, outcome.examples().getFirst().size());
        assertEquals(0, outcome.totals().get("pairs_compared"));
        assertEquals(2999, outcome.totals().get("identical"));
    }

    /** A page of a template with another number in each: similar to its neighbours, all of one bucket. */
    @Test
    void aLargeBucketIsOneClusterAtLittleCost() {
        PlantedTexts texts = new PlantedTexts(5, 5, new double[0], 150, 160);
        MemoryCorpus corpus = new MemoryCorpus(3000, i -> texts.text(1) + " page " + i);
        MemoryCorpus.Outcome outcome = outcome(corpus, "{}");
        assertEquals(2999, outcome.dropped().size());
        assertTrue(outcome.totals().get("pairs_compared") < 4 * 3000, outcome.totals()::toString);
    }

    @Test
    void documentsWithoutWordsStay() {
        assertEquals(
                List.of(),
                outcome(MemoryCorpus.of("...", "...", "!", "   ", "   "), "{}").dropped());
        assertEquals(
                List.of(1),
                outcome(MemoryCorpus.of("two words", "Two words!"), "keep: first")
                        .dropped());
        assertEquals(
                List.of(1),
                outcome(MemoryCorpus.of("五個字的句子在這裡", "五個字的句子在這裡。", "另一個完全不同的句子"), "keep: first")
                        .dropped());
    }

    @Test
    void shinglesOfCharactersFindWhatWordsMiss() {
        MemoryCorpus corpus = MemoryCorpus.of(
                "colour and flavour of the harbour were favourite themes",
                "color and flavor of the harbor were favorite themes",
                "nothing like the other two sentences in here at all");
        assertEquals(List.of(), outcome(corpus, "threshold: 0.4").dropped());
        assertEquals(
                List.of(1),
                outcome(corpus, "{shingle: character, shingle_size: 3, threshold: 0.4}")
                        .dropped());
    }

    @Test
    void bandsAndRowsMayBeGiven() {
        MemoryCorpus corpus = repeating();
        MemoryCorpus.Outcome outcome = outcome(corpus, "{bands: 14, rows: 8}");
        assertEquals(14, outcome.totals().get("bands"));
        assertEquals(8, outcome.totals().get("rows"));
        for (String yaml : List.of(
                "bands: 3",
                "{bands: 3, rows: 2, num_permutations: 6}",
                "{bands: 3, rows: 2, recall: 0.9}",
                "threshold: 0",
                "{bands: 60000, rows: 60000}")) {
            assertThrows(QuernException.class, () -> config(yaml), yaml);
        }
        MinHashLsh.Config hopeless = (MinHashLsh.Config) config("{threshold: 0.01, num_permutations: 4}");
        assertTrue(
                assertThrows(QuernException.class, hopeless::split).getMessage().contains("num_permutations 4"));
    }
}
