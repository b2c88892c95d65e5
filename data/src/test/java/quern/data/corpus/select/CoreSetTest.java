package quern.data.corpus.select;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Deduplication;
import quern.data.corpus.Verdict;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;

class CoreSetTest {
    private static final String[] SEA = {"ship", "sail", "wave", "harbour", "tide", "anchor", "captain", "storm"};
    private static final String[] LAND = {"field", "plough", "corn", "barn", "horse", "meadow", "farmer", "rain"};

    @TempDir
    private Path folder;

    /** Documents of words; {@code mix} of the first kind. */
    private static List<CorpusDocument> documents(int count, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        List<CorpusDocument> documents = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            boolean sea = random.nextInt(5) == 0;
            documents.add(new CorpusDocument((sea ? "sea-" : "land-") + i, "test", text(random, sea ? SEA : LAND)));
        }
        return documents;
    }

    private static String text(SplittableRandom random, String[] words) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 12; i++) {
            // A third of the words are the same in both.
            text.append(i % 3 == 0 ? "the" : words[random.nextInt(words.length)])
                    .append(' ');
        }
        return text.toString();
    }

    private static Deduplication.Corpus corpus(List<CorpusDocument> documents) {
        return new Deduplication.Corpus() {
            @Override
            public long count() {
                return documents.size();
            }

            @Override
            public Cursor open() {
                var iterator = documents.iterator();
                return new Cursor() {
                    @Override
                    public CorpusDocument next() {
                        return iterator.hasNext() ? iterator.next() : null;
                    }

                    @Override
                    public void close() {
                        // Nothing is open.
                    }
                };
            }
        };
    }

    private List<String> kept(
            CoreSet technique, List<CorpusDocument> documents, long memory, Map<String, Object> with) {
        Block block = Block.empty(Position.of("stage"));
        for (Map.Entry<String, Object> setting : with.entrySet()) {
            block = block.with(setting.getKey(), setting.getValue());
        }
        Deduplication.Context context = new Deduplication.Context(folder, memory, 1, line -> {});
        List<String> kept = new ArrayList<>();
        try (Deduplication.Decisions decisions =
                technique.decide(corpus(documents), block.bind(technique.config()), context)) {
            for (int i = 0; i < documents.size(); i++) {
                if (decisions.judge(i, documents.get(i)) == Verdict.KEEP) {
                    kept.add(documents.get(i).id());
                }
            }
        }
        return kept;
    }

    @Test
    void dsirResamplesTowardsTheTarget() throws IOException {
        SplittableRandom random = new SplittableRandom(9);
        Path target = folder.resolve("target.txt");
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 50; i++) {
            lines.append(text(random, SEA)).append('\n');
        }
        Files.writeString(target, lines);
        List<CorpusDocument> documents = documents(1000, 4);
        long sea = documents.stream().filter(d -> d.id().startsWith("sea")).count();
        Map<String, Object> settings = Map.of("target", List.of(target.toString()), "share", 0.15);
        List<String> kept = kept(new Dsir(), documents, 1 << 20, settings);
        assertEquals(150, kept.size());
        assertTrue(sea < 250, "a fifth of the corpus: " + sea);
        assertTrue(kept.stream().filter(id -> id.startsWith("sea")).count() > 145, kept.toString());
        assertEquals(kept, kept(new Dsir(), documents, 1 << 20, settings));
        // A target like the corpus leaves the draw to chance: both kinds keep about their shares.
        StringBuilder alike = new StringBuilder();
        documents.forEach(document -> alike.append(document.text()).append('\n'));
        Files.writeString(target, alike);
        long fair =
                kept(new Dsir(), documents, 1 << 20, Map.of("target", List.of(target.toString()), "share", 0.5))
                        .stream()
                        .filter(id -> id.startsWith("sea"))
                        .count();
        // Half of the sea's, four standard deviations of a draw without replacement.
        assertEquals(sea / 2.0, fair, 4 * Math.sqrt(sea * 0.25));
    }

    @Test
    void theRatioIsTheSmoothedOne() {
        assertArrayEquals(
                new double[] {Math.log(4 / 5.0) - Math.log(1 / 6.0), Math.log(1 / 5.0) - Math.log(5 / 6.0)},
                Dsir.logRatio(new long[] {3, 0}, new long[] {0, 4}),
                1e-12);
    }

    @Test
    void kCentreCoversWithinTwiceTheBestRadius() {
        SplittableRandom random = new SplittableRandom(2);
        for (int round = 0; round < 20; round++) {
            float[][] points = new float[12][2];
            for (float[] point : points) {
                point[0] = random.nextInt(100);
                point[1] = random.nextInt(100);
            }
            int k = 2 + round % 3;
            double best = Double.POSITIVE_INFINITY;
            for (int set = 0; set < 1 << 12; set++) {
                if (Integer.bitCount(set) == k) {
                    best = Math.min(best, radius(points, BitSet.valueOf(new long[] {set})));
                }
            }
            BitSet chosen = KCentre.choose(points, k, random.nextInt(12));
            assertEquals(k, chosen.cardinality());
            assertTrue(radius(points, chosen) <= 2 * best, "round " + round);
        }
    }

    private static double radius(float[][] points, BitSet centres) {
        double radius = 0;
        for (float[] point : points) {
            radius = Math.max(
                    radius,
                    centres.stream()
                            .mapToDouble(c -> Math.hypot(point[0] - points[c][0], point[1] - points[c][1]))
                            .min()
                            .orElseThrow());
        }
        return radius;
    }

    @Test
    void kCentreTakesOneOfEachKindFirst() {
        List<CorpusDocument> documents = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            documents.add(new CorpusDocument("same-" + i, "test", "the farmer ploughs the field"));
        }
        documents.add(new CorpusDocument("ship", "test", "a ship sails"));
        documents.add(new CorpusDocument("star", "test", "bright stars shine tonight"));
        List<String> kept = kept(new KCentre(), documents, 1 << 20, Map.of("share", 3 / 22.0));
        assertEquals(3, kept.size());
        assertTrue(kept.containsAll(List.of("ship", "star")), kept.toString());
    }

    @Test
    void badInputIsRefusedInOneLine() throws IOException {
        Path empty = folder.resolve("empty.txt");
        Files.writeString(empty, "\n\n");
        List<CorpusDocument> documents = documents(10, 1);
        refused("no text in", () -> kept(new Dsir(), documents, 1 << 20, Map.of("target", List.of(empty.toString()))));
        refused("target: empty", () -> kept(new Dsir(), documents, 1 << 20, Map.of("target", List.of())));
        refused("may be held", () -> kept(new KCentre(), documents, 1000, Map.of()));
        refused("share", () -> kept(new KCentre(), documents, 1000, Map.of("share", 1.5)));
    }

    private static void refused(String part, org.junit.jupiter.api.function.Executable work) {
        QuernException refused = assertThrows(QuernException.class, work);
        assertTrue(refused.getMessage().contains(part), refused.getMessage());
        assertEquals(1, refused.getMessage().lines().count());
    }
}
