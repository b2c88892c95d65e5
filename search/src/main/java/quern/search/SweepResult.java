package quern.search;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.StringJoiner;
import java.util.stream.IntStream;
import quern.evaluate.plot.Series;
import quern.recipe.Recipe;
import quern.recipe.RecipeFile;
import quern.train.Median;
import quern.train.RunFolder;

/**
 * What came of a {@link Sweep}.
 *
 * @param key that was swept
 * @param rule how the learning rate followed it
 * @param rows a value each, in the order given
 * @param best the value with the lowest mean final loss; empty when none finished
 * @param verdict what to take, in a sentence or two
 * @param comparison the values against the first one
 */
public record SweepResult(
        String key,
        Optional<Sweep.RateRule> rule,
        List<Row> rows,
        Optional<String> best,
        String verdict,
        @JsonUnwrapped Comparison comparison) {
    /** The least number of points of a curve. */
    private static final int CURVE = 2;

    /**
     * A value.
     *
     * @param arm its arm's name
     * @param value the key's
     * @param learningRate that its runs used
     * @param steps that its runs took
     * @param tokens that they saw
     * @param seconds that they spent on steps, median
     */
    public record Row(
            String arm,
            String value,
            Optional<Double> learningRate,
            Optional<Double> steps,
            Optional<Double> tokens,
            Optional<Double> seconds) {}

    /** Reads off what a sweep's comparison says. */
    public static SweepResult of(Sweep sweep, Comparison comparison) {
        List<Row> rows = comparison.runs().stream().map(arm -> row(sweep, arm)).toList();
        Optional<ArmResult> best = comparison.arms().stream()
                .filter(a -> a.loss().isPresent())
                .min(Comparator.comparingDouble(a -> a.loss().orElseThrow().mean()));
        return new SweepResult(
                sweep.key(),
                sweep.rule(),
                rows,
                best.map(ArmResult::name),
                best.map(b -> verdict(sweep, comparison, rows, b)).orElse("every value diverged: lower learning_rate"),
                comparison);
    }

    private static Row row(Sweep sweep, ArmRuns arm) {
        String own = sweep.key() + "=";
        String value = arm.arm().settings().stream()
                .filter(setting -> setting.startsWith(own) && !setting.equals(own + "null"))
                .findFirst()
                .map(setting -> setting.substring(own.length()))
                .orElse(arm.arm().name());
        List<LossCurve.Point> ends = arm.runs().stream()
                .filter(r -> !r.diverged())
                .flatMap(r ->
                        r.curve().training().stream().skip(r.curve().training().size() - 1L))
                .toList();
        Optional<Double> rate = arm.runs().stream()
                .findFirst()
                .map(r -> Recipe.from(RecipeFile.load(r.folder().resolve(RunFolder.RECIPE), List.of()))
                        .learningRate());
        return new Row(
                arm.arm().name(),
                value,
                rate,
                ends.stream().findFirst().map(LossCurve.Point::step),
                ends.stream().findFirst().map(LossCurve.Point::tokens),
                ends.isEmpty()
                        ? Optional.empty()
                        : Optional.of(Median.of(ends.stream()
                                .mapToDouble(LossCurve.Point::seconds)
                                .toArray())));
    }

    private static String verdict(Sweep sweep, Comparison comparison, List<Row> rows, ArmResult best) {
        List<ArmRuns> runs = comparison.runs();
        ArmRuns winner = runs.stream()
                .filter(a -> a.arm().name().equals(best.name()))
                .findFirst()
                .orElseThrow();
        // Against the best value instead of the first: the same test with another baseline.
        List<ArmRuns> order = new ArrayList<>(List.of(winner));
        runs.stream().filter(a -> a != winner).forEach(order::add);
        Comparison toBest =
                Comparison.of(comparison.title(), order, Optional.empty(), OptionalDouble.empty(), List.of());
        StringJoiner level = new StringJoiner(", ");
        int seeds = best.loss().orElseThrow().n();
        for (ArmResult arm : toBest.arms().subList(1, toBest.arms().size())) {
            boolean worse = arm.loss().isEmpty()
                    || arm.correctedP().filter(p -> p < Statistics.ALPHA).isPresent();
            if (!worse) {
                level.add(arm.name());
            }
        }
        String others = level.length() == 0
                ? "; every other value is worse"
                : seeds == 1
                        ? "; one seed can't tell it from chance, so run more"
                        : "; %d seeds show no difference to %s".formatted(seeds, level);
        String soonest = comparison.arms().stream()
                .filter(a -> a.secondsToTarget().isPresent()
                        && a.reached() == a.runs().size())
                .min(Comparator.comparingDouble(a -> a.secondsToTarget().orElseThrow()))
                .map(a -> ". Soonest at loss %.4f: %s, after %,.1f s of training"
                        .formatted(
                                comparison.targetLoss().orElseThrow(),
                                a.name(),
                                a.secondsToTarget().orElseThrow()))
                .orElse("");
        String tokens = rows.stream()
                .filter(r -> r.arm().equals(best.name()))
                .flatMap(r -> r.tokens().stream())
                .map(" after %,.0f tokens"::formatted)
                .findFirst()
                .orElse("");
        return "best: %s, final loss %s%s%s%s"
                .formatted(best.name(), Verdict.estimate(best.loss().orElseThrow()), tokens, others, soonest);
    }

    /**
     * Writes {@code sweep.json}, the pages of the comparison with the sweep's table, and its pictures: the loss against
     * tokens, against time, and at the end against the value.
     *
     * @return the HTML file
     */
    public Path write(Path folder) {
        SearchJson.write(folder.resolve("sweep.json"), this);
        List<Page.Part> parts = new ArrayList<>();
        parts.add(new Page.Text("Over %s, %s.".formatted(key, verdict)));
        rule.ifPresent(r -> parts.add(new Page.Text(
                switch (r) {
                    case SQRT ->
                        "All values see the same tokens; the learning rate grows with the square root of the batch.";
                    case LINEAR -> "All values see the same tokens; the learning rate grows with the batch.";
                    case NONE -> "All values see the same tokens; the learning rate is the same.";
                })));
        parts.add(table());
        List<Series> series = finals();
        if (!series.isEmpty()) {
            List<String> values = rows.stream().map(Row::value).toList();
            parts.add(LossPictures.finals(comparison.title(), key, values, series, folder));
        }
        return ComparisonPages.write(comparison, folder, parts, LossPictures.Abscissa.TOKENS);
    }

    private Page.Table table() {
        List<List<String>> cells = new ArrayList<>();
        for (int i = 0; i < rows.size(); i++) {
            Row row = rows.get(i);
            ArmResult arm = comparison.arms().get(i);
            cells.add(List.of(
                    row.arm(),
                    ComparisonPages.show(row.steps(), "%,.0f"),
                    ComparisonPages.show(row.tokens(), "%,.0f"),
                    row.learningRate().map(ValueList::number).orElse(ComparisonPages.NONE),
                    arm.loss().map(Verdict::estimate).orElse("diverged"),
                    ComparisonPages.show(row.seconds(), "%,.1f"),
                    ComparisonPages.show(arm.tokensPerSecond(), "%,.0f")));
        }
        return new Page.Table(
                List.of("value", "steps", "tokens", "learning rate", "final loss", "seconds of training", "tokens/s"),
                cells);
    }

    /** Final loss by value: the means, and each seed's. */
    private List<Series> finals() {
        List<ArmResult> arms = comparison.arms();
        int[] finished = IntStream.range(0, arms.size())
                .filter(i -> arms.get(i).loss().isPresent())
                .toArray();
        if (finished.length < CURVE) {
            return List.of();
        }
        double[] x = Arrays.stream(finished).asDoubleStream().toArray();
        double[] y = Arrays.stream(finished)
                .mapToDouble(i -> arms.get(i).loss().orElseThrow().mean())
                .toArray();
        List<Series> series = new ArrayList<>(List.of(Series.points("mean", x, y)));
        List<Long> seeds = arms.stream()
                .flatMap(a -> a.runs().stream())
                .map(ArmResult.Run::seed)
                .distinct()
                .toList();
        for (long seed : seeds.size() > 1 ? seeds : List.<Long>of()) {
            double[] ofSeed = Arrays.stream(finished)
                    .mapToDouble(i -> arms.get(i).runs().stream()
                            .filter(r -> r.seed() == seed)
                            .flatMap(r -> r.loss().stream())
                            .findFirst()
                            .orElse(Double.NaN))
                    .toArray();
            series.add(Series.faint("mean", x, ofSeed));
        }
        return series;
    }
}
