package quern.search;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;
import quern.evaluate.plot.CurvePng;
import quern.evaluate.plot.Series;

/** The validation losses of a comparison as pictures: each arm's mean over its runs, and the runs as thin lines. */
final class LossPictures {
    /** Losses before this share of a run are not what a comparison is about, and would flatten the rest of the picture. */
    private static final double BEGINNING = 0.15;

    private static final double HEADROOM = 1.01;

    /** What the horizontal axis shows. */
    enum Abscissa {
        /** Optimizer steps. */
        STEPS("step", LossCurve.Point::step),
        /** Input tokens. */
        TOKENS("tokens", LossCurve.Point::tokens),
        /** Seconds spent on steps. */
        SECONDS("seconds of training", LossCurve.Point::seconds);

        private final String title;
        private final ToDoubleFunction<LossCurve.Point> of;

        Abscissa(String title, ToDoubleFunction<LossCurve.Point> of) {
            this.title = title;
            this.of = of;
        }
    }

    private LossPictures() {}

    /** Draws a picture for both colour schemes; nothing where no run has a finite loss. */
    static List<Page.Part> draw(Comparison comparison, Path folder, Abscissa axis) {
        List<Series> series = new ArrayList<>();
        for (ArmRuns arm : comparison.runs()) {
            List<LossCurve> curves = arm.runs().stream()
                    .map(MeasuredRun::curve)
                    .filter(c -> !c.validation().isEmpty())
                    .toList();
            if (curves.isEmpty()) {
                continue;
            }
            series.add(mean(arm.arm().name(), curves, axis));
            if (curves.size() > 1) {
                curves.forEach(c -> series.add(Series.faint(
                        arm.arm().name(),
                        c.validation().stream().mapToDouble(axis.of).toArray(),
                        c.validation().stream()
                                .mapToDouble(LossCurve.Point::loss)
                                .toArray())));
            }
        }
        if (series.isEmpty()) {
            return List.of();
        }
        Page.Picture picture = new Page.Picture(
                "loss-by-" + axis.name().toLowerCase(Locale.ROOT),
                "Validation loss by %s; thick lines are means over seeds, thin ones single runs".formatted(axis.title));
        write(
                picture,
                new CurvePng(comparison.title(), axis.title, "validation loss", List.of(), top(comparison)),
                series,
                folder);
        return List.of(picture);
    }

    /** Draws the final losses of a sweep by value. */
    static Page.Picture finals(String title, String key, List<String> values, List<Series> series, Path folder) {
        Page.Picture picture = new Page.Picture(
                "final-loss",
                "Final validation loss by %s; the points are means, thin lines join one seed's".formatted(key));
        write(
                picture,
                new CurvePng(title, key, "final validation loss", values, OptionalDouble.empty()),
                series,
                folder);
        return picture;
    }

    private static void write(Page.Picture picture, CurvePng png, List<Series> series, Path folder) {
        png.write(folder.resolve(picture.light()), CurvePng.Theme.LIGHT, series);
        png.write(folder.resolve(picture.dark()), CurvePng.Theme.DARK, series);
    }

    /** Over the evaluations that every run has; runs of one arm evaluate at the same steps. */
    private static Series mean(String name, List<LossCurve> curves, Abscissa axis) {
        int n = curves.stream().mapToInt(c -> c.validation().size()).min().orElse(0);
        double[] x = new double[n];
        double[] y = new double[n];
        for (int i = 0; i < n; i++) {
            int k = i;
            x[i] = curves.stream()
                    .mapToDouble(c -> axis.of.applyAsDouble(c.validation().get(k)))
                    .average()
                    .orElseThrow();
            y[i] = curves.stream()
                    .mapToDouble(c -> c.validation().get(k).loss())
                    .average()
                    .orElseThrow();
        }
        return Series.line(name, x, y);
    }

    /** The highest loss after the beginning, of the arms that finished. */
    private static OptionalDouble top(Comparison comparison) {
        double most = 0;
        for (ArmRuns arm : comparison.runs()) {
            for (MeasuredRun run : arm.runs()) {
                List<LossCurve.Point> points = run.curve().validation();
                if (run.diverged() || points.isEmpty()) {
                    continue;
                }
                double from = points.getLast().step() * BEGINNING;
                most = Math.max(
                        most,
                        points.stream()
                                .filter(p -> p.step() >= from)
                                .mapToDouble(LossCurve.Point::loss)
                                .max()
                                .orElse(0));
            }
        }
        return most > 0 ? OptionalDouble.of(most * HEADROOM) : OptionalDouble.empty();
    }
}
