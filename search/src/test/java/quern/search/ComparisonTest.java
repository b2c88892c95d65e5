package quern.search;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is said about runs whose losses are made up. */
class ComparisonTest {
    /** Final losses of the baseline. */
    private static final double[] BASE = {1.512, 1.498, 1.530, 1.507, 1.521};

    /** A run of 100 steps that falls on a line from 3 to its final loss, at 1,000 tokens a step and 10 steps a second. */
    private static MeasuredRun run(long seed, double loss, double stepsPerSecond) {
        List<Map<String, Double>> metrics = new ArrayList<>();
        for (int step = 10; step <= 100; step += 10) {
            double value = 3 - (3 - loss) * step / 100;
            metrics.add(Map.of(
                    "step",
                    (double) step,
                    "loss",
                    value,
                    "num_input_tokens_seen",
                    step * 1000.0,
                    "tokens_per_sec",
                    1000 * stepsPerSecond));
            metrics.add(Map.of("step", (double) step, "eval_loss", value));
        }
        RunReport report = new RunReport(
                RunReport.Ending.DONE,
                100,
                100,
                "",
                5000,
                40_000,
                Optional.of(1_000_000L),
                11,
                20,
                Optional.empty(),
                "d");
        return new MeasuredRun(seed, Path.of("run"), Optional.of(loss), Optional.of(report), LossCurve.of(metrics));
    }

    private static MeasuredRun diverged(long seed, long step) {
        RunReport report = new RunReport(
                RunReport.Ending.DIVERGED,
                step,
                100,
                "step %d: the loss is NaN".formatted(step),
                5000,
                40_000,
                Optional.empty(),
                1,
                2,
                Optional.empty(),
                "d");
        return new MeasuredRun(seed, Path.of("run"), Optional.empty(), Optional.of(report), LossCurve.of(List.of()));
    }

    private static ArmRuns arm(String name, MeasuredRun... runs) {
        return new ArmRuns(new Arm(name, List.of("optim=" + name)), Optional.empty(), List.of(), List.of(runs));
    }

    private static ArmRuns arm(String name, double shift, double[] noise, double stepsPerSecond) {
        return arm(
                name,
                IntStream.range(0, BASE.length)
                        .mapToObj(i -> run(i, BASE[i] + shift + noise[i], stepsPerSecond))
                        .toArray(MeasuredRun[]::new));
    }

    private static final double[] STILL = new double[5];
    private static final double[] NOISE = {0.004, -0.003, 0.002, -0.004, 0.001};

    private static Comparison compare(ArmRuns... arms) {
        return Comparison.of("test", List.of(arms), Optional.empty(), OptionalDouble.empty(), List.of());
    }

    private static String verdict(ArmRuns... arms) {
        return compare(arms).arms().getLast().verdict();
    }

    @Test
    void aClearGainIsWorthSwitchingAndSaysHowMuchSooner() {
        Comparison c = compare(arm("adamw", 0, STILL, 10), arm("lion", -0.2, NOISE, 10));
        ArmResult lion = c.arms().get(1);
        assertEquals(-0.2, lion.difference().orElseThrow().estimate().mean(), 1e-9);
        assertEquals(Optional.of(1.530), c.targetLoss(), "every run of the baseline reaches it");
        assertEquals(5, lion.reached());
        assertTrue(lion.stepRatio().orElseThrow() < 0.95 && lion.stepRatio().orElseThrow() > 0.8);
        assertTrue(
                lion.verdict().startsWith("lion is better than adamw (-0.2000 ± 0.0042, p < 0.0001, 5 seeds)"),
                lion.verdict());
        assertTrue(lion.verdict().contains("reaches loss 1.5300 in 0.8"), lion.verdict());
        assertTrue(lion.verdict().endsWith(": worth switching"), lion.verdict());
    }

    @Test
    void aGainThatCostsTimeSaysSo() {
        String verdict = verdict(arm("adamw", 0, STILL, 10), arm("soap", -0.2, NOISE, 5));
        assertTrue(verdict.contains("0.50x the tokens/s"), verdict);
        assertTrue(verdict.endsWith("worth it where data or steps are scarce, not time"), verdict);
    }

    @Test
    void aLossIsToBeLeftAlone() {
        String verdict = verdict(arm("adamw", 0, STILL, 10), arm("sgd", 0.3, NOISE, 10));
        assertTrue(verdict.startsWith("sgd is worse than adamw (+0.3000"), verdict);
        assertTrue(verdict.endsWith("stay with adamw"), verdict);
    }

    @Test
    void whatTheSeedsCannotShowIsNotClaimed() {
        String verdict = verdict(arm("adamw", 0, STILL, 10), arm("adam", 0.0001, NOISE, 10));
        assertTrue(verdict.startsWith("no difference between adam and adamw that 5 seeds can show ("), verdict);
        assertFalse(verdict.contains("worth"), verdict);
    }

    @Test
    void oneSeedHasNoPValue() {
        Comparison c = compare(arm("adamw", run(1, 1.5, 10)), arm("lion", run(1, 1.0, 10)));
        ArmResult lion = c.arms().get(1);
        assertTrue(lion.correctedP().isEmpty());
        assertTrue(lion.loss().orElseThrow().halfWidth().isEmpty());
        assertTrue(lion.verdict().contains("can't be told from chance"), lion.verdict());
        assertFalse(lion.verdict().contains("p ="), lion.verdict());
    }

    /** The third arm's own p-value is below 0.05, twice it is not. */
    @Test
    void severalArmsAreCorrectedFor() {
        double[] noise = {0.024, -0.010, 0.012, 0.004, 0.017};
        Comparison two = compare(arm("adamw", 0, STILL, 10), arm("b", 0.0007, noise, 10));
        double alone = two.arms().get(1).correctedP().orElseThrow();
        Comparison three =
                compare(arm("adamw", 0, STILL, 10), arm("b", 0.0007, noise, 10), arm("c", 0.0008, noise, 10));
        double smaller = three.arms().get(2).difference().orElseThrow().p().orElseThrow();
        assertEquals(alone, two.arms().get(1).difference().orElseThrow().p().orElseThrow());
        assertEquals(2 * smaller, three.arms().get(2).correctedP().orElseThrow(), 1e-12);
        assertTrue(three.arms().get(1).correctedP().orElseThrow() >= 2 * smaller);
    }

    @Test
    void divergedRunsAreResultsAndCountInNoMean() {
        Comparison c = compare(
                arm("adamw", run(1, 1.5, 10), run(2, 1.6, 10), run(3, 1.7, 10)),
                arm("lion", run(1, 1.4, 10), diverged(2, 17), run(3, 1.61, 10)),
                arm("wild", diverged(1, 3), diverged(2, 4), diverged(3, 1000)));
        ArmResult lion = c.arms().get(1);
        assertEquals(2, lion.difference().orElseThrow().estimate().n());
        assertEquals(-0.095, lion.difference().orElseThrow().estimate().mean(), 1e-9);
        assertTrue(lion.verdict().contains("1 of its 3 runs diverged (at step 17)"), lion.verdict());
        ArmResult wild = c.arms().get(2);
        assertTrue(wild.loss().isEmpty());
        assertEquals("wild diverged in all 3 runs (at step 3, 4, 1,000): not usable like this", wild.verdict());
    }

    @Test
    void anArmThatChangedNothingIsFound() {
        Comparison c = compare(arm("adamw", 0, STILL, 10), arm("other", 0.1, NOISE, 10), arm("same", 0, STILL, 7));
        assertEquals(
                "same changed nothing: its losses are those of adamw to the last bit",
                c.arms().get(2).verdict());
        assertEquals(1, c.warnings().size());
        assertTrue(
                c.warnings().getFirst().contains("'same' changed nothing"),
                c.warnings().toString());
        double[] lastBit = {Math.ulp(2.0), 0, 0, 0, 0};
        assertTrue(compare(arm("adamw", 0, STILL, 10), arm("bit", 0, lastBit, 10))
                .warnings()
                .isEmpty());
    }

    @Test
    void aTargetThatIsGivenIsUsed() {
        Comparison c = Comparison.of(
                "test", List.of(arm("adamw", 0, STILL, 10)), Optional.empty(), OptionalDouble.of(2.0), List.of());
        assertEquals(Optional.of(2.0), c.targetLoss());
        // From 3 to 1.512 over 100 steps the loss is 2 after 100 / 1.488 of them.
        assertEquals(
                100 / 1.488,
                c.arms().getFirst().runs().getFirst().stepsToTarget().orElseThrow(),
                1e-9);
    }

    @Test
    void pagesHoldTheFiguresAndThePicturesForBothColourSchemes(@TempDir Path folder) throws IOException {
        Comparison c =
                compare(arm("adamw", 0, STILL, 10), arm("<b>&|lion", -0.2, NOISE, 10), arm("wild", diverged(1, 3)));
        Path html = ComparisonPages.write(c, folder);
        String page = Files.readString(html);
        assertTrue(page.contains("<td>1.5136 ± "), "the baseline's mean");
        assertTrue(page.contains("prefers-color-scheme: dark"));
        assertTrue(page.contains("&lt;b&gt;&amp;|lion is better than adamw"), "names are text, not markup");
        assertFalse(page.contains("<b>"), "names are text, not markup");
        assertFalse(page.matches("(?s).*(src|href|srcset)=\"(?!data:).*"), "the page needs no other file");
        assertEquals(4, page.split("data:image/png;base64,", -1).length - 1, "two pictures in two schemes");
        String markdown = Files.readString(folder.resolve("comparison.md"));
        assertTrue(markdown.contains("\\<b\\>&\\|lion"), "a name can't break the table");
        assertTrue(markdown.contains("| wild | – | 0 of 1 |"), markdown);
        assertTrue(markdown.contains("diverged at 3"));
        for (String picture : List.of("loss-by-steps", "loss-by-seconds")) {
            assertTrue(markdown.contains(picture + "-dark.png"));
            assertTrue(Files.size(folder.resolve(picture + "-light.png")) > 1000);
        }
        var json = tools.jackson.databind.json.JsonMapper.shared()
                .readTree(Files.readString(folder.resolve("comparison.json")));
        assertEquals("adamw", json.path("baseline").asString());
        assertEquals(1.5136, json.path("arms").get(0).path("loss").path("mean").asDouble(), 1e-12);
        assertTrue(json.path("arms").get(1).path("corrected_p").asDouble() < 0.01);
        assertEquals(
                3,
                json.path("arms").get(2).path("runs").get(0).path("diverged_at").asInt());
        assertTrue(json.path("runs").isMissingNode(), "curves stay in the run folders");
    }

    @Test
    void aBestValueAtTheEdgeOfTheTuningIsToldOf() {
        Axis rates = Axis.vary("learning_rate=1e-4..1e-2:3", "--tune");
        List<ArmRuns.Tried> falling = List.of(
                new ArmRuns.Tried(rates.arms().get(0), run(1, 3.0, 10)),
                new ArmRuns.Tried(rates.arms().get(1), run(1, 2.0, 10)),
                new ArmRuns.Tried(rates.arms().get(2), run(1, 1.0, 10)));
        Arm arm = new Arm("adamw", List.of());
        assertEquals(
                "learning_rate=1e-2",
                Tuning.best(falling).orElseThrow().choice().name());
        assertTrue(Tuning.edges(arm, List.of(rates), falling).getFirst().contains("learning_rate=1e-2 is at the edge"));
        List<ArmRuns.Tried> inside = List.of(
                falling.get(0), falling.get(1), new ArmRuns.Tried(rates.arms().get(2), diverged(1, 5)));
        assertEquals(
                "learning_rate=1e-3", Tuning.best(inside).orElseThrow().choice().name());
        assertTrue(Tuning.edges(arm, List.of(rates), inside).isEmpty());
        List<ArmRuns.Tried> none = List.of(new ArmRuns.Tried(rates.arms().get(0), diverged(1, 5)));
        assertTrue(Tuning.best(none).isEmpty());
        assertTrue(Tuning.edges(arm, List.of(rates), none).getFirst().contains("diverged with every value"));
    }

    @Test
    void theBudgetCountsTuningAndSeedsOfEveryArm() {
        Budget budget = new Budget(5, List.of(400L, 400L), 3, List.of(2000L, 1000L));
        assertEquals(16, budget.runs());
        assertEquals(5 * 800 + 3 * 3000, budget.totalSteps());
        assertEquals(
                "2 arms, each: tuning 5 runs of 400 steps with one seed, then 3 seeds of 1,000 to 2,000 steps; 16 runs, 13,000 steps in all",
                budget.text());
    }
}
