package quern.data.dedup;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import quern.testkit.PlantedTexts;

/** The plain functions that searches for duplicates are made of. */
class CoresTest {
    private static final Folding PLAIN = new Folding(true, true, true, UnicodeForm.NFC);

    private static long[] set(SplittableRandom random, int size, long bound) {
        return random.longs(0, bound).distinct().limit(size).sorted().toArray();
    }

    @Test
    void similarityIsThatOfTheSets() {
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 20_000; i++) {
            long[] a = set(random, random.nextInt(12), 14);
            long[] b = set(random, random.nextInt(12), 14);
            Set<Long> either = new HashSet<>(Arrays.stream(a).boxed().toList());
            Set<Long> both = new HashSet<>(either);
            List<Long> ofB = Arrays.stream(b).boxed().toList();
            both.retainAll(ofB);
            either.addAll(ofB);
            double expected = either.isEmpty() ? 0 : (double) both.size() / either.size();
            assertEquals(expected, Similarity.jaccard(a, b));
            for (int numerator = 1; numerator <= 20; numerator++) {
                // Compared in integers, so that a similarity that is the threshold counts.
                boolean enough = !both.isEmpty() && 20 * both.size() >= numerator * either.size();
                assertEquals(
                        enough,
                        Similarity.atLeast(a, b, numerator / 20.0),
                        () -> Arrays.toString(a) + Arrays.toString(b));
            }
        }
    }

    /** The mean over many pairs is the similarity, within four standard errors of independent places. */
    @Test
    void signaturesAgreeAsOftenAsSetsAreSimilar() {
        SplittableRandom random = new SplittableRandom(2);
        int permutations = 128;
        MinHash minHash = new MinHash(permutations, 9);
        for (double similarity : new double[] {0.1, 0.5, 0.9}) {
            int pairs = 500;
            int size = 190;
            int shared = (int) Math.round(2 * size * similarity / (1 + similarity));
            double actual = shared / (2.0 * size - shared);
            double sum = 0;
            double squares = 0;
            for (int p = 0; p < pairs; p++) {
                long[] all = random.longs().distinct().limit(2L * size - shared).toArray();
                int[] a = minHash.signature(Arrays.copyOf(all, size));
                int[] b = minHash.signature(Arrays.copyOfRange(all, size - shared, all.length));
                int agree = 0;
                for (int i = 0; i < permutations; i++) {
                    agree += a[i] == b[i] ? 1 : 0;
                }
                sum += agree;
                squares += (double) agree * agree;
            }
            double mean = sum / pairs;
            double variance = squares / pairs - mean * mean;
            double binomial = permutations * actual * (1 - actual);
            assertEquals(actual * permutations, mean, 4 * Math.sqrt(binomial / pairs));
            // Of independent places the variance over 500 pairs is within a quarter of the binomial one at four sigmas.
            assertEquals(binomial, variance, 0.25 * binomial);
        }
    }

    @Test
    void theSplitReachesTheRecallAndErrsLeast() {
        assertEquals(new Bands(18, 7), Bands.forThreshold(0.8, 128, 0.98));
        assertEquals(0.9856, new Bands(18, 7).probability(0.8), 1e-4);
        for (double threshold : new double[] {0.3, 0.5, 0.7, 0.8, 0.9, 0.95}) {
            Bands bands = Bands.forThreshold(threshold, 128, 0.98);
            assertTrue(bands.probability(threshold) >= 0.98 && bands.permutations() <= 128, bands::toString);
            // More rows would be choosier, and too much so.
            Bands next = new Bands(128 / (bands.rows() + 1), bands.rows() + 1);
            assertTrue(next.probability(threshold) < 0.98, next::toString);
        }
    }

    @Test
    void shinglesAreRunsOfWords() {
        PlantedTexts texts = new PlantedTexts(4, 5, new double[] {0.8}, 5, 150);
        Shingles.Reader reader = new Shingles(Shingles.Unit.WORD, 5, PLAIN).reader();
        for (int i = 0; i < 200; i++) {
            String a = texts.text(10 * i);
            String b = texts.text(10 * i + 9);
            Set<List<String>> ofA = PlantedTexts.shingles(a, 5);
            Set<List<String>> both = new HashSet<>(PlantedTexts.shingles(b, 5));
            long[] foundA = reader.of(a);
            long[] foundB = reader.of(b);
            if (!ofA.isEmpty()) {
                assertEquals(ofA.size(), foundA.length);
                int sum = ofA.size() + both.size();
                both.retainAll(ofA);
                assertEquals((double) both.size() / (sum - both.size()), Similarity.jaccard(foundA, foundB));
            }
        }
    }

    @Test
    void whatDoesNotCountDoesNotCount() {
        Shingles.Reader words = new Shingles(Shingles.Unit.WORD, 3, PLAIN).reader();
        long[] plain = words.of("one two three four");
        assertEquals(2, plain.length);
        assertArrayEquals(plain, words.of("  One, TWO\u00a0three\n\n«four»!"));
        assertEquals(0, words.of(" \n—…").length);
        assertEquals(1, words.of("one").length);
        assertNotEquals(words.of("one")[0], words.of("two")[0]);
        assertNotEquals(words.of("one two")[0], words.of("onetwo")[0]);
        // Each ideograph is a word, outside the basic plane too; letters beside them are words of their own.
        assertEquals(3, words.of("漢字abc𠀀字").length);
        assertArrayEquals(words.of("漢 字 abc 𠀀 字"), words.of("漢字abc𠀀字"));
        // Half a pair of surrogates is a letter like others.
        assertEquals(1, words.of("a\ud840 b c").length);
        long[] characters =
                new Shingles(Shingles.Unit.CHARACTER, 3, PLAIN).reader().of("a  bc");
        assertEquals(2, characters.length);
        assertEquals(1, new Shingles(Shingles.Unit.WORD, 1, PLAIN).reader().of("da da DA").length);
        assertArrayEquals(words.of("e\u0301 a b"), words.of("\u00e9 a b"));
    }

    @Test
    void clustersAreComponentsWhateverTheOrder() {
        SplittableRandom random = new SplittableRandom(3);
        List<int[]> edges = new ArrayList<>();
        for (int i = 0; i < 800; i++) {
            edges.add(new int[] {random.nextInt(1000), random.nextInt(1000)});
        }
        Clusters one = new Clusters();
        one.grow(1000);
        edges.forEach(edge -> one.join(edge[0], edge[1]));
        Clusters two = new Clusters();
        two.grow(10);
        two.grow(1000);
        edges.reversed().forEach(edge -> two.join(edge[1], edge[0]));
        int[] least = new int[1000];
        for (int i = 0; i < 1000; i++) {
            least[i] = i;
        }
        for (boolean moved = true; moved; ) {
            moved = false;
            for (int[] edge : edges) {
                int lower = Math.min(least[edge[0]], least[edge[1]]);
                moved |= least[edge[0]] != lower || least[edge[1]] != lower;
                least[edge[0]] = lower;
                least[edge[1]] = lower;
            }
        }
        for (int i = 0; i < 1000; i++) {
            assertEquals(least[i], one.find(i));
            assertEquals(least[i], two.find(i));
        }
    }

    @Test
    void smallBucketsGiveAllPairsAndLargeOnesAWindow() {
        CandidatePairs pairs = new CandidatePairs();
        Set<List<Long>> found = new HashSet<>();
        int members = CandidatePairs.WINDOW + 1;
        for (long i = 0; i < members; i++) {
            pairs.add(10 * i, (a, b) -> assertTrue(a < b && found.add(List.of(a, b))));
        }
        assertEquals(members * (members - 1) / 2, found.size());
        found.clear();
        pairs.add(10_000, (a, b) -> found.add(List.of(a, b)));
        assertEquals(CandidatePairs.WINDOW + 1, found.size());
        found.clear();
        pairs.add(10_001, (a, b) -> found.add(List.of(a, b)));
        assertEquals(CandidatePairs.WINDOW + 1, found.size());
        assertTrue(found.contains(List.of(0L, 10_001L)) && !found.contains(List.of(10L, 10_001L)));
        pairs.clear();
        pairs.add(5, (a, b) -> assertEquals(0, b, "an empty bucket has no pairs"));
    }
}
