package quern.data.order;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.order.Mixing.Corpora;
import quern.recipe.QuernException;

/** Shares by the laws of their papers, and that rows follow them to within a row. */
class MixingTest {
    /** Sums of a few hundred shares in doubles. */
    private static final double ROUNDING = 1e-9;

    private static final List<String> NAMES = List.of("a", "b", "c");

    @TempDir
    Path folder;

    static Corpora corpora(double... weights) {
        return new Corpora(NAMES.subList(0, weights.length), weights, 8);
    }

    /** Row n of a corpus has the one token {@code 1000 * corpus + n % rows}. */
    static BatchSource rows(int corpus, int rows) {
        return new BatchSource() {
            @Override
            public long batchesPerEpoch() {
                return rows;
            }

            @Override
            public Batch batch(long n) {
                int token = 1000 * corpus + (int) (n % rows);
                return new Batch(1, 1, new int[] {token}, new int[] {token}, new int[] {1});
            }
        };
    }

    static Steps steps(int batches) {
        return new Steps() {
            @Override
            public long step(long batch) {
                return batch / batches;
            }

            @Override
            public long first(long step) {
                return step * batches;
            }
        };
    }

    static OrderedBatches batches(Shares shares, int rowsPerBatch, int batchesPerStep, int... sizes) {
        List<OrderedBatches.Corpus> all = new ArrayList<>();
        for (int i = 0; i < sizes.length; i++) {
            all.add(new OrderedBatches.Corpus(NAMES.get(i), rows(i, sizes[i]), null));
        }
        return new OrderedBatches(all, shares, steps(batchesPerStep), rowsPerBatch, 0);
    }

    private static Shares fixed(double... weights) {
        return new FixedMixing().open(corpora(weights), new FixedMixing.Config(Optional.empty()));
    }

    @Test
    void fixedSharesAreRealisedToWithinARowOfEachOtherCorpus() {
        double[] weights = {0.55, 0.4, 0.05};
        OrderedBatches batches = batches(fixed(5.5, 4, 0.5), 8, 1, 50, 70, 9);
        long[] met = new long[3];
        long rows = 0;
        for (long k = 0; k < 300; k++) {
            for (int token : batches.batch(k).inputIds()) {
                int corpus = token / 1000;
                assertEquals(met[corpus] % new int[] {50, 70, 9}[corpus], token % 1000, "each corpus in its own order");
                met[corpus]++;
                rows++;
                for (int i = 0; i < 3; i++) {
                    assertTrue(Math.abs(met[i] - weights[i] * rows) <= 2 + ROUNDING, "row " + rows + " of " + i);
                }
            }
        }
        Map<String, Double> report = batches.report(300);
        assertEquals(0.55, report.get("data_share/a"), 2.0 / rows);
        assertEquals(0.05, report.get("data_weight/c"), ROUNDING);
        assertEquals(met[1], batches.expected(300).get("b")[1]);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4, 8})
    void aStepHasTheSameRowsHoweverItIsDivided(int parts) {
        Shares shares = new ScheduledMixing()
                .open(
                        corpora(1, 1),
                        new ScheduledMixing.Config(List.of(
                                new ScheduledMixing.Point(0, Map.of("a", 1.0, "b", 0.0)),
                                new ScheduledMixing.Point(40, Map.of("a", 0.0, "b", 1.0)))));
        OrderedBatches whole = batches(shares, 8, 1, 50, 70);
        OrderedBatches divided = batches(shares, 8 / parts, parts, 50, 70);
        for (long step = 49; step >= 0; step--) {
            int[] rows = {};
            for (long k = step * parts; k < (step + 1) * parts; k++) {
                int[] more = divided.batch(k).inputIds();
                rows = Arrays.copyOf(rows, rows.length + more.length);
                System.arraycopy(more, 0, rows, rows.length - more.length, more.length);
            }
            assertArrayEquals(whole.batch(step).inputIds(), rows, "step " + step);
        }
    }

    @Test
    void scheduledSharesGoInStraightLinesAndStayOutside() {
        Shares shares = new ScheduledMixing()
                .open(
                        corpora(1, 1),
                        new ScheduledMixing.Config(List.of(
                                new ScheduledMixing.Point(10, Map.of("a", 3.0, "b", 1.0)),
                                new ScheduledMixing.Point(30, Map.of("a", 1.0, "b", 3.0)))));
        assertArrayEquals(new double[] {0.75, 0.25}, shares.at(0), ROUNDING);
        assertArrayEquals(new double[] {0.75, 0.25}, shares.at(10), ROUNDING);
        assertArrayEquals(new double[] {0.5, 0.5}, shares.at(20), ROUNDING);
        assertArrayEquals(new double[] {0.25, 0.75}, shares.at(1000), ROUNDING);
        assertThrows(
                IllegalArgumentException.class,
                () -> new ScheduledMixing.Config(List.of(
                        new ScheduledMixing.Point(3, Map.of("a", 1.0)), new ScheduledMixing.Point(3, Map.of()))));
        QuernException unknown = assertThrows(
                QuernException.class,
                () -> new ScheduledMixing()
                        .open(
                                corpora(1, 1),
                                new ScheduledMixing.Config(
                                        List.of(new ScheduledMixing.Point(0, Map.of("a", 1.0, "z", 1.0))))));
        assertTrue(unknown.getMessage().contains("[a, z]"), unknown.getMessage());
    }

    @Test
    void temperatureEvensWeightsOut() {
        TemperatureMixing technique = new TemperatureMixing();
        assertArrayEquals(
                new double[] {0.9, 0.1},
                technique
                        .open(corpora(9e300, 1e300), new TemperatureMixing.Config(1))
                        .at(5),
                ROUNDING);
        assertArrayEquals(
                new double[] {0.75, 0.25},
                technique.open(corpora(9, 1), new TemperatureMixing.Config(2)).at(5),
                ROUNDING,
                "square roots 3 and 1");
        assertArrayEquals(
                new double[] {0.5, 0.5},
                technique
                        .open(corpora(9, 1), new TemperatureMixing.Config(1e12))
                        .at(5),
                ROUNDING);
    }

    @Test
    void onlineSharesFollowTheBanditsUpdate() {
        Shares shares = new OnlineMixing().open(corpora(3, 1), new OnlineMixing.Config(0.5, 0));
        assertArrayEquals(new double[] {0.75, 0.25}, shares.at(0), ROUNDING, "no loss is known yet");
        shares.observe(0, new Shares.Seen(new double[] {2, Double.NaN}, new double[2], new double[] {0.75, 0.25}));
        assertArrayEquals(new double[] {0.75, 0.25}, shares.at(2), ROUNDING, "one corpus was never met");
        shares.observe(1, new Shares.Seen(new double[] {4, 5}, new double[2], new double[] {0.75, 0.25}));
        // Eight rows a step: both corpora are met for certain, so rewards are the losses; 0.5 * 2 + 0.5 * 4 and 5.
        double now = Math.sqrt(Math.log(2) / (2 * 2));
        double before = Math.min(0.5, Math.sqrt(Math.log(2) / 2));
        double a = Math.exp(before * 3);
        double b = Math.exp(before * 5);
        assertArrayEquals(
                new double[] {(1 - 2 * now) * a / (a + b) + now, (1 - 2 * now) * b / (a + b) + now},
                shares.at(3),
                ROUNDING);
        Shares again = new OnlineMixing().open(corpora(3, 1), new OnlineMixing.Config(0.5, 0));
        again.load(new TreeMap<>(shares.state()));
        assertArrayEquals(shares.at(3), again.at(3));
    }

    @Test
    void onlineDividesTheRewardByTheChanceOfARareCorpusToBeMet() {
        Corpora rare = new Corpora(List.of("a", "b"), new double[] {0.9, 0.1}, 1);
        Shares shares = new OnlineMixing().open(rare, new OnlineMixing.Config(0, 0));
        shares.observe(0, new Shares.Seen(new double[] {1.8, 0.2}, new double[2], new double[] {0.9, 0.1}));
        assertArrayEquals(new double[] {0.5, 0.5}, shares.at(2), ROUNDING, "1.8 / 0.9 and 0.2 / 0.1 are both 2");
    }

    @Test
    void doremiSharesFollowTheExcessLossAndTheirMeanIsTheResult() {
        Shares shares = new DoremiMixing().open(corpora(9, 1), new DoremiMixing.Config(Path.of("x"), 2, 0.1));
        assertArrayEquals(new double[] {0.5, 0.5}, shares.at(0), "whatever the sources' weights");
        shares.observe(0, new Shares.Seen(new double[2], new double[] {0.5, 0}, shares.at(0)));
        double a = Math.E / (Math.E + 1) * 0.9 + 0.05;
        assertArrayEquals(new double[] {a, 1 - a}, shares.at(2), ROUNDING);
        shares.observe(1, new Shares.Seen(new double[2], new double[] {Double.NaN, 0.5}, shares.at(0)));
        // The corpus that was not met keeps its excess, so both grow alike and only smoothing moves them.
        double b = a * 0.9 + 0.05;
        assertArrayEquals(new double[] {b, 1 - b}, shares.at(3), ROUNDING);
        assertArrayEquals(new double[] {(a + b) / 2, 1 - (a + b) / 2}, shares.result(), ROUNDING);
        Shares again = new DoremiMixing().open(corpora(9, 1), new DoremiMixing.Config(Path.of("x"), 2, 0.1));
        again.load(shares.state());
        assertArrayEquals(shares.result(), again.result());
    }

    @Test
    void learnedWeightsGoFromOneTrainingToTheNext() throws Exception {
        Map<String, Double> learned = new LinkedHashMap<>();
        learned.put("b", 0.125);
        learned.put("a", 0.875);
        Weights.write(folder, learned);
        Path file = folder.resolve(Weights.FILE);
        assertArrayEquals(
                new double[] {0.875, 0.125},
                new FixedMixing()
                        .open(corpora(1, 1), new FixedMixing.Config(Optional.of(file)))
                        .at(7));
        QuernException other = assertThrows(
                QuernException.class,
                () -> new FixedMixing().open(corpora(1, 1, 1), new FixedMixing.Config(Optional.of(file))));
        assertTrue(other.getMessage().contains("[a, b, c]"), other.getMessage());
        Files.writeString(file, "{\"a\": \"much\", \"b\": 1}");
        assertThrows(
                QuernException.class,
                () -> new FixedMixing().open(corpora(1, 1), new FixedMixing.Config(Optional.of(file))));
    }

    /** A training that goes on from a state meets the rows that it would have met unbroken, from every step. */
    @Test
    void resumedOnlineMixingMeetsTheSameRows() {
        List<int[]> whole = new ArrayList<>();
        List<Map<String, Double>> states = new ArrayList<>();
        OrderedBatches unbroken = online();
        for (long step = 0; step < 40; step++) {
            states.add(unbroken.state());
            take(unbroken, step, whole);
        }
        assertTrue(
                whole.stream()
                                .skip(20)
                                .flatMapToInt(Arrays::stream)
                                .filter(t -> t >= 1000)
                                .count()
                        > whole.stream()
                                .limit(20)
                                .flatMapToInt(Arrays::stream)
                                .filter(t -> t >= 1000)
                                .count(),
                "the corpus of higher loss is met more often");
        for (int from : new int[] {0, 1, 2, 7, 25}) {
            OrderedBatches resumed = online();
            resumed.batch(3);
            resumed.load(states.get(from));
            List<int[]> rest = new ArrayList<>();
            for (long step = from; step < 40; step++) {
                take(resumed, step, rest);
            }
            for (int i = 0; i < rest.size(); i++) {
                assertArrayEquals(whole.get(from * 2 + i), rest.get(i), "from " + from);
            }
            assertEquals(unbroken.state(), resumed.state());
        }
    }

    private static OrderedBatches online() {
        return batches(
                new OnlineMixing()
                        .open(new Corpora(List.of("a", "b"), new double[] {3, 1}, 8), new OnlineMixing.Config(0.9, 0)),
                4,
                2,
                50,
                70);
    }

    /** A step whose next one's batches are made, as in training, before its losses are known. */
    private static void take(OrderedBatches batches, long step, List<int[]> met) {
        List<OrderedBatches.RowLoss> losses = new ArrayList<>();
        for (long k = step * 2; k < step * 2 + 2; k++) {
            int[] rows = batches.batch(k).inputIds();
            met.add(rows);
            batches.batch(k + 2);
            for (int token : rows) {
                losses.add(new OrderedBatches.RowLoss(token >= 1000 ? 6 : 2 + 0.01 * (token % 7), Double.NaN, 2));
            }
        }
        batches.observe(step, losses);
    }
}
