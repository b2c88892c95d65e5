package quern.cli.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import quern.search.ArmRuns;
import quern.search.Comparison;
import quern.search.LossCurve;
import quern.search.MeasuredRun;
import quern.search.Statistics;

/**
 * What small sets are worth: the trainings on them compared by their last validation losses, and by their best ones, since a
 * training on a few rows passes its best long before it ends.
 *
 * @param rows in a set
 * @param best a training's lowest validation loss, by set
 * @param comparison by the last losses
 */
public record SmallSetReport(int rows, List<Best> best, Comparison comparison) {
    /**
     * The lowest validation losses of the trainings on a set.
     *
     * @param losses by seed
     * @param difference to the baseline's of the same seeds; empty for the baseline, and where a training diverged
     */
    public record Best(String name, List<Double> losses, Optional<Statistics.Difference> difference) {}

    /** Looks the best losses up. */
    public static SmallSetReport of(int rows, Comparison comparison) {
        List<Best> best = new ArrayList<>();
        for (ArmRuns arm : comparison.runs()) {
            List<Double> losses = lowest(arm);
            boolean paired =
                    !best.isEmpty() && losses.size() == best.getFirst().losses().size() && !losses.isEmpty();
            best.add(new Best(
                    arm.arm().name(),
                    losses,
                    paired
                            ? Optional.of(Statistics.paired(
                                    array(losses), array(best.getFirst().losses())))
                            : Optional.empty()));
        }
        return new SmallSetReport(rows, List.copyOf(best), comparison);
    }

    private static List<Double> lowest(ArmRuns arm) {
        List<Double> losses = new ArrayList<>();
        for (MeasuredRun run : arm.runs()) {
            OptionalDouble lowest = run.curve().validation().stream()
                    .mapToDouble(LossCurve.Point::loss)
                    .min();
            if (run.loss().isPresent() && lowest.isPresent()) {
                losses.add(lowest.getAsDouble());
            }
        }
        return List.copyOf(losses);
    }

    private static double[] array(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).toArray();
    }

    /** Sentences for a person. */
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add("Lowest validation loss on the way, mean over seeds (not corrected for the number of sets):");
        for (Best one : best) {
            String mean = one.losses().isEmpty()
                    ? "none finished"
                    : String.format(
                            Locale.ROOT,
                            "%.4f",
                            Statistics.estimate(array(one.losses())).mean());
            lines.add("  %s: %s%s"
                    .formatted(
                            one.name(),
                            mean,
                            one.difference().map(SmallSetReport::text).orElse("")));
        }
        lines.add("");
        lines.add("Last validation loss:");
        return lines;
    }

    private static String text(Statistics.Difference difference) {
        return " (%s%s%s)"
                .formatted(
                        String.format(
                                Locale.ROOT, "%+.4f", difference.estimate().mean()),
                        difference
                                .estimate()
                                .halfWidth()
                                .map(width -> String.format(Locale.ROOT, " ± %.4f", width))
                                .orElse(""),
                        difference
                                .p()
                                .map(p -> String.format(Locale.ROOT, ", p = %.2g", p))
                                .orElse(""));
    }
}
