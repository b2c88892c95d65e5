package quern.search;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import quern.recipe.DurableFiles;

/**
 * The pages of a comparison: {@code comparison.json}, {@code comparison.md} with its pictures, and {@code
 * comparison.html}, which is one file.
 */
public final class ComparisonPages {
    static final String NONE = "–";
    private static final double KILO = 1e3;
    private static final double MEGA = 1e6;
    private static final double MANY = 1e8;

    private ComparisonPages() {}

    /**
     * Writes them; files that are there are replaced.
     *
     * @param folder where to; made when it is missing
     * @param more what stands before it, such as the result of a sweep
     * @param axis what the first picture's horizontal axis shows
     * @return the HTML file
     */
    static Path write(Comparison comparison, Path folder, List<Page.Part> more, LossPictures.Abscissa axis) {
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(folder, -1, e);
        }
        SearchJson.write(folder.resolve("comparison.json"), comparison);
        List<Page.Part> parts = new ArrayList<>(more);
        if (!more.isEmpty()) {
            parts.add(new Page.Heading("Against " + comparison.baseline()));
        }
        parts.addAll(top(comparison));
        parts.addAll(LossPictures.draw(comparison, folder, axis));
        parts.addAll(LossPictures.draw(comparison, folder, LossPictures.Abscissa.SECONDS));
        parts.addAll(tables(comparison));
        Page page = new Page(comparison.title(), parts);
        text(folder.resolve("comparison.md"), MarkdownPage.of(page));
        Path html = folder.resolve("comparison.html");
        text(html, HtmlPage.of(page, folder));
        return html;
    }

    /** Writes the pages of a comparison. */
    public static Path write(Comparison comparison, Path folder) {
        return write(comparison, folder, List.of(), LossPictures.Abscissa.STEPS);
    }

    private static void text(Path file, String text) {
        DurableFiles.write(file, text.getBytes(StandardCharsets.UTF_8));
    }

    private static List<Page.Part> top(Comparison c) {
        List<Page.Part> parts = new ArrayList<>();
        parts.add(new Page.Bullets(c.arms().stream().map(ArmResult::verdict).toList()));
        if (!c.warnings().isEmpty()) {
            parts.add(new Page.Heading("Warnings"));
            parts.add(new Page.Bullets(c.warnings()));
        }
        parts.add(new Page.Heading("Final loss"));
        parts.add(losses(c));
        parts.add(new Page.Text(
                ("Validation loss in nats a token, mean with its 95 %% interval (Student's t). Differences are to %s, over "
                                + "pairs of runs with the same seed, so with the same first weights, the same order of the "
                                + "data and the same dropout streams. p: paired t test, corrected by Holm's method for "
                                + "the number of arms; exact p: all sign flips of the differences, not corrected.")
                        .formatted(c.baseline())));
        return parts;
    }

    /** The losses as a table of text: first the names of its columns, then a row an arm. */
    public static List<List<String>> summary(Comparison comparison) {
        Page.Table table = losses(comparison);
        List<List<String>> rows = new ArrayList<>(List.of(table.header()));
        rows.addAll(table.rows());
        return rows;
    }

    private static Page.Table losses(Comparison c) {
        List<List<String>> rows = new ArrayList<>();
        for (ArmResult arm : c.arms()) {
            Optional<Statistics.Difference> difference = arm.difference();
            rows.add(List.of(
                    arm.name(),
                    arm.loss().map(Verdict::estimate).orElse(NONE),
                    "%d of %d"
                            .formatted(
                                    arm.runs().size() - arm.diverged(),
                                    arm.runs().size()),
                    difference.map(d -> Verdict.signedEstimate(d.estimate())).orElse(NONE),
                    arm.correctedP().map(Verdict::p).orElse(NONE),
                    difference
                            .flatMap(Statistics.Difference::exactP)
                            .map(Verdict::p)
                            .orElse(NONE)));
        }
        return new Page.Table(List.of("arm", "final loss", "runs finished", "difference", "p", "exact p"), rows);
    }

    private static List<Page.Part> tables(Comparison c) {
        List<Page.Part> parts = new ArrayList<>();
        c.targetLoss().ifPresent(target -> {
            parts.add(new Page.Heading("On the way to loss %.4f".formatted(target)));
            parts.add(target(c));
            parts.add(new Page.Text(
                    ("The target is %s. Medians over the runs that reach it, on the straight line between two "
                                    + "evaluations; time is that of training steps alone. Ratios are medians over pairs of runs.")
                            .formatted(c.target())));
        });
        parts.add(new Page.Heading("Cost"));
        parts.add(cost(c));
        parts.add(new Page.Text(
                "Tokens/s is the median over a run's lines of metrics. Seconds are of whole runs, with evaluations and saves. Memory: %s. Energy: %s."
                        .formatted(c.memory(), c.energy())));
        if (c.arms().stream().anyMatch(a -> !a.tuning().isEmpty())) {
            parts.add(new Page.Heading("Tuning"));
            parts.add(tuning(c));
        }
        c.budget().ifPresent(b -> parts.add(new Page.Text("Budget: " + b.text() + ".")));
        parts.add(new Page.Heading("Arms and runs"));
        parts.add(runs(c));
        return parts;
    }

    private static Page.Table target(Comparison c) {
        List<List<String>> rows = new ArrayList<>();
        for (ArmResult arm : c.arms()) {
            rows.add(List.of(
                    arm.name(),
                    "%d of %d".formatted(arm.reached(), arm.runs().size()),
                    show(arm.stepsToTarget(), "%,.0f"),
                    show(arm.stepRatio(), "%.2fx"),
                    show(arm.secondsToTarget(), "%,.1f"),
                    show(arm.timeRatio(), "%.2fx")));
        }
        return new Page.Table(
                List.of("arm", "runs that reach it", "steps", "of the baseline's", "seconds", "of the baseline's"),
                rows);
    }

    private static Page.Table cost(Comparison c) {
        boolean joules = c.arms().stream().anyMatch(a -> a.joules().isPresent());
        List<String> header = new ArrayList<>(
                List.of("arm", "tokens/s", "optimizer state", "peak memory", "seconds a run", "CPU-seconds a run"));
        if (joules) {
            header.add("joules a run");
        }
        List<List<String>> rows = new ArrayList<>();
        for (ArmResult arm : c.arms()) {
            List<String> row = new ArrayList<>(List.of(
                    arm.name(),
                    show(arm.tokensPerSecond(), "%,.0f"),
                    arm.stateBytes().map(ComparisonPages::bytes).orElse(NONE),
                    arm.peakBytes().map(ComparisonPages::bytes).orElse(NONE),
                    show(arm.wallSeconds(), "%,.1f"),
                    show(arm.cpuSeconds(), "%,.1f")));
            if (joules) {
                row.add(show(arm.joules(), "%,.0f"));
            }
            rows.add(row);
        }
        return new Page.Table(header, rows);
    }

    private static Page.Table tuning(Comparison c) {
        List<String> header = new ArrayList<>(List.of("arm"));
        c.arms().getFirst().tuning().forEach(t -> header.add(t.values()));
        header.add("chosen");
        List<List<String>> rows = new ArrayList<>();
        for (ArmResult arm : c.arms()) {
            List<String> row = new ArrayList<>(List.of(arm.name()));
            arm.tuning()
                    .forEach(t -> row.add(t.loss()
                            .map("%.4f"::formatted)
                            .orElse(t.divergedAt()
                                    .map("diverged at %,d"::formatted)
                                    .orElse(NONE))));
            row.add(arm.tuned().orElse("none"));
            rows.add(row);
        }
        return new Page.Table(header, rows);
    }

    private static Page.Table runs(Comparison c) {
        List<List<String>> rows = new ArrayList<>();
        for (ArmResult arm : c.arms()) {
            String settings = String.join(" ", arm.settings());
            rows.add(List.of(
                    arm.name(),
                    settings.isEmpty() ? "the recipe as it is" : settings,
                    each(arm, r -> Long.toString(r.seed())),
                    each(
                            arm,
                            r -> r.loss()
                                    .map("%.4f"::formatted)
                                    .orElse(r.divergedAt()
                                            .map("diverged at %,d"::formatted)
                                            .orElse(NONE)))));
        }
        return new Page.Table(List.of("arm", "settings", "seeds", "final losses"), rows);
    }

    private static String each(ArmResult arm, Function<ArmResult.Run, String> text) {
        return arm.runs().isEmpty() ? NONE : arm.runs().stream().map(text).collect(Collectors.joining(", "));
    }

    /** Three digits or so, with a unit. */
    private static String bytes(double bytes) {
        return bytes < KILO
                ? "%.0f B".formatted(bytes)
                : bytes < MEGA
                        ? "%.1f kB".formatted(bytes / KILO)
                        : bytes < MANY ? "%.2f MB".formatted(bytes / MEGA) : "%,.0f MB".formatted(bytes / MEGA);
    }

    static String show(Optional<Double> value, String format) {
        return value.map(format::formatted).orElse(NONE);
    }
}
