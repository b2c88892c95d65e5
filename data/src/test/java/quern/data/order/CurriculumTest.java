package quern.data.order;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.CharacterTrainer;
import quern.data.Scorer;
import quern.data.Tokenizer;
import quern.data.order.PacedSettings.Direction;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;

/** Measures by hand, the order they give, and how much of it may be met when. */
class CurriculumTest {
    private static final double ROUNDING = 1e-12;

    private static final List<String> TEXTS = List.of(
            "zebra quartz vexed hymn.",
            "the cat sat. the cat ran.",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "incomprehensible administrative considerations notwithstanding",
            "go.");

    private static Curriculum.Rows rows(Function<Path, Scorer> scorers) {
        Tokenizer tokenizer = Tokenizer.of(new CharacterTrainer()
                .train(TEXTS, Block.empty(new Position("here", 1, 1)).bind(new CharacterTrainer().config())));
        BatchSource source = new BatchSource() {
            @Override
            public long batchesPerEpoch() {
                return TEXTS.size();
            }

            @Override
            public Batch batch(long row) {
                int[] ids = tokenizer.encode(TEXTS.get((int) row));
                // Padded, as rows of some objectives are.
                return new Batch(
                        1, ids.length + 3, Arrays.copyOf(ids, ids.length + 3), new int[ids.length + 3], new int[] {
                            ids.length
                        });
            }
        };
        return new Curriculum.Rows("texts", source, tokenizer, 7, scorers);
    }

    private static PacedSettings settings(String yaml) {
        return RecipeFile.load("test.yaml", yaml, List.of()).bind(PacedSettings.class);
    }

    /** The rows from easy to hard. */
    private static int[] order(Curriculum curriculum) {
        RowOrder order = curriculum.open(rows(p -> null), settings("pacing: sorted"));
        return IntStream.range(0, TEXTS.size()).map(n -> (int) order.row(n, 0)).toArray();
    }

    @Test
    void measuresOrderTextsAsTheirDefinitionsSay() {
        assertArrayEquals(new int[] {4, 0, 1, 2, 3}, order(new LengthCurriculum()));
        int[] compressed = order(new CompressionRatioCurriculum());
        assertEquals(2, compressed[0], "one letter over and over");
        int[] readable = order(new ReadabilityCurriculum());
        assertEquals(3, readable[TEXTS.size() - 1], "words of many syllables in one sentence");
        assertEquals(4, order(new RarityCurriculum())[0], "few tokens");
        double[] rarity = RarityCurriculum.measure(rows(p -> null));
        double all = TEXTS.stream().mapToInt(String::length).sum();
        double expected = 0;
        for (char letter : "go.".toCharArray()) {
            long count = TEXTS.stream()
                    .flatMapToInt(String::chars)
                    .filter(c -> c == letter)
                    .count();
            expected -= Math.log(count / all);
        }
        assertEquals(expected, rarity[4], ROUNDING);
    }

    @Test
    void readabilityIsTheGradeOfKincaid() {
        assertEquals(1, ReadabilityCurriculum.syllables("make"));
        assertEquals(2, ReadabilityCurriculum.syllables("table"));
        assertEquals(3, ReadabilityCurriculum.syllables("beautiful"));
        assertEquals(2, ReadabilityCurriculum.syllables("caf\u00e9"));
        assertEquals(1, ReadabilityCurriculum.syllables("hmm"));
        // Six words, two sentences, six syllables.
        assertEquals(0.39 * 3 + 11.8 - 15.59, ReadabilityCurriculum.grade("The cat sat. The dog ran!"), ROUNDING);
        assertEquals(0, ReadabilityCurriculum.grade("... 42"));
    }

    @Test
    void modelLossComesFromTheScorerOfTheFolder() {
        double[] scores = {3, 1, 2, 5, 4};
        Curriculum.Rows rows = rows(path -> new Scorer() {
            @Override
            public String name() {
                return "loss of " + path;
            }

            @Override
            public double[] score(List<String> texts) {
                return texts.stream().mapToDouble(t -> scores[TEXTS.indexOf(t)]).toArray();
            }

            @Override
            public void close() {}
        });
        Block pace = RecipeFile.load("test.yaml", "{pacing: sorted, order: hard_to_easy}", List.of());
        RowOrder order = new ModelLossCurriculum().open(rows, new ModelLossCurriculum.Config(Path.of("model"), pace));
        assertArrayEquals(
                new long[] {3, 4, 0, 2, 1},
                LongStream.range(0, 5).map(n -> order.row(n, 0)).toArray());
    }

    @Test
    void competenceGrowsAsThePaperSays() {
        assertEquals(0.1, Pacing.LINEAR.share(0, 0.1, 100, 2, 5), ROUNDING);
        assertEquals(0.55, Pacing.LINEAR.share(50, 0.1, 100, 2, 5), ROUNDING);
        assertEquals(Math.sqrt(0.01 + 0.99 * 0.5), Pacing.ROOT.share(50, 0.1, 100, 2, 5), ROUNDING);
        assertEquals(0.1, Pacing.EXPONENTIAL.share(50, 0.01, 100, 2, 5), ROUNDING);
        assertEquals(0.2, Pacing.STEP.share(19, 0.2, 100, 2, 5), ROUNDING);
        assertEquals(0.36, Pacing.STEP.share(20, 0.2, 100, 2, 5), ROUNDING);
        for (Pacing pacing : Pacing.values()) {
            double before = 0;
            for (long step = 0; step < 130; step++) {
                double share = pacing.share(step, 0.05, 100, 3, 4);
                assertTrue(share >= before && share <= 1, pacing + " at " + step);
                before = share;
            }
            assertEquals(1, before);
        }
    }

    @ParameterizedTest
    @EnumSource(Direction.class)
    void onlyTheOpenShareIsMetAndEachRowOnceBeforeAnyTwice(Direction direction) {
        int rows = 1000;
        double[] measure =
                IntStream.range(0, rows).mapToDouble(i -> (i * 37) % rows).toArray();
        PacedSettings settings = settings("{order: %s, pacing: step, start_share: 0.2, steps: 4000, stages: 4}"
                .formatted(direction.name().toLowerCase(java.util.Locale.ROOT)));
        PacedOrder order = new PacedOrder(measure, settings, 5);
        long n = 0;
        for (long step = 0; step < 8000; step += 400) {
            int open = (int) Math.round(order.share(step) * rows);
            Set<Long> met = new HashSet<>();
            // From a multiple of the number of open rows, one pass over them.
            for (n = (n / open + 1) * open; met.size() < open; n++) {
                long row = order.row(n, step);
                double value = measure[(int) row];
                boolean isOpen = direction == Direction.EASY_TO_HARD ? value < open : value >= rows - open;
                assertTrue(isOpen, "step " + step + " met " + value);
                assertTrue(met.add(row), "met twice in one pass");
            }
        }
    }

    @Test
    void lengthIsRefusedWhereAllRowsAreAlike() {
        BatchSource alike = MixingTest.rows(0, 9);
        Curriculum.Rows rows = new Curriculum.Rows("windows", alike, null, 1, p -> null);
        assertThrows(QuernException.class, () -> new LengthCurriculum().open(rows, settings("{}")));
    }

    private static RowOrder adaptive(String yaml) {
        return new AdaptiveCurriculum()
                .open(
                        new Curriculum.Rows("rows", MixingTest.rows(0, 100), null, 3, p -> null),
                        RecipeFile.load("test.yaml", yaml, List.of()).bind(AdaptiveCurriculum.Config.class));
    }

    /** Rows of index i have loss i. */
    private static void observeAll(RowOrder order, long step) {
        order.observe(
                step,
                LongStream.range(0, 100).toArray(),
                IntStream.range(0, 100).mapToDouble(i -> i).toArray());
    }

    @Test
    void selfPacedMeetsTheRowsOfLowLossFirst() {
        RowOrder order = adaptive("{mode: self_paced, refresh_steps: 2, start_share: 0.3, steps: 100}");
        observeAll(order, 0);
        for (long n = 0; n < 200; n++) {
            assertTrue(order.row(n, 2) < 32, "share 0.314 at step 2");
        }
        assertTrue(
                LongStream.range(0, 200).map(n -> order.row(n, 99)).max().orElseThrow() > 90, "in the end nearly all");
    }

    @Test
    void lossSamplingDrawsInProportionToThePowerOfTheLoss() {
        RowOrder order = adaptive("{mode: loss_sampling, refresh_steps: 2, power: 2, uniform_share: 0.5}");
        observeAll(order, 0);
        int draws = 200_000;
        double[] met = new double[100];
        for (long n = 0; n < draws; n++) {
            met[(int) order.row(n, 2)]++;
        }
        double squares =
                IntStream.range(0, 100).mapToDouble(i -> (double) i * i).sum();
        for (int i = 0; i < 100; i++) {
            double chance = 0.5 / 100 + 0.5 * i * i / squares;
            double deviation = Math.sqrt(draws * chance * (1 - chance));
            // Five deviations: one of a hundred rows passes them by chance once in 17,000 seeds, and the seed is fixed.
            assertEquals(draws * chance, met[i], 5 * deviation, "row " + i);
        }
    }

    @Test
    void aResumedAdaptiveOrderMeetsTheSameRows() {
        for (String mode : List.of("self_paced", "loss_sampling")) {
            String yaml = "{mode: %s, refresh_steps: 5}".formatted(mode);
            RowOrder unbroken = adaptive(yaml);
            RowOrder resumed = null;
            long n = 0;
            for (long step = 0; step < 60; step++) {
                if (step % 7 == 3 || step == 13 || step == 14) {
                    Map<String, Double> state = (resumed == null ? unbroken : resumed).state(step);
                    resumed = adaptive(yaml);
                    resumed.load(step, state);
                }
                long[] rows = new long[8];
                for (int i = 0; i < 8; i++) {
                    rows[i] = unbroken.row(n + i, step);
                    if (resumed != null) {
                        assertEquals(rows[i], resumed.row(n + i, step), mode + " step " + step);
                    }
                }
                double[] losses = Arrays.stream(rows)
                        .mapToDouble(r -> (r * 31 % 17) / (1.0 + 60))
                        .toArray();
                unbroken.observe(step, rows, losses);
                if (resumed != null) {
                    resumed.observe(step, rows, losses);
                }
                n += 8;
            }
        }
    }
}
