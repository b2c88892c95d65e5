package quern.search;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.stream.IntStream;
import quern.train.Median;

/**
 * Finished runs compared: every arm against the first one, run by run with the same seed.
 *
 * @param title the heading
 * @param baseline the first arm's name
 * @param arms in the order given
 * @param targetLoss the validation loss that steps and times are told for; empty when there is none
 * @param target where that loss comes from, in words
 * @param budget what was trained; empty for runs that were made elsewhere
 * @param warnings what makes the figures less than they seem
 * @param energy where the joules come from, in words
 * @param memory where the memory's peaks come from, in words
 * @param runs the runs themselves, of which pictures are drawn
 */
public record Comparison(
        String title,
        String baseline,
        List<ArmResult> arms,
        Optional<Double> targetLoss,
        String target,
        Optional<Budget> budget,
        List<String> warnings,
        String energy,
        String memory,
        @JsonIgnore List<ArmRuns> runs) {
    /**
     * Compares.
     *
     * @param all at least one arm; the first is the baseline
     * @param wanted the target loss; when empty, the highest final loss of the baseline's runs
     * @param before warnings that are known already
     */
    public static Comparison of(
            String title, List<ArmRuns> all, Optional<Budget> budget, OptionalDouble wanted, List<String> before) {
        ArmRuns baseline = all.getFirst();
        Optional<Double> target = wanted.isPresent()
                ? Optional.of(wanted.getAsDouble())
                : baseline.runs().stream().flatMap(r -> r.loss().stream()).max(Double::compare);
        String origin = wanted.isPresent()
                ? "given"
                : target.isPresent()
                        ? "the highest final loss of a run of " + baseline.arm().name()
                        : "none";
        List<ArmResult> results = new ArrayList<>();
        for (ArmRuns arm : all) {
            results.add(result(arm, arm == baseline ? Optional.empty() : Optional.of(baseline), target));
        }
        List<String> warnings = new ArrayList<>(before);
        List<Optional<String>> same = identical(all, warnings);
        Optional<Double>[] corrected = corrected(results);
        for (int i = 0; i < results.size(); i++) {
            ArmResult arm = results.get(i);
            results.set(
                    i,
                    arm.withTest(
                            corrected[i],
                            Verdict.of(arm, results.getFirst(), i == 0, corrected[i], same.get(i), target)));
        }
        boolean joules = results.stream().anyMatch(a -> a.joules().isPresent());
        boolean peaks = results.stream().anyMatch(a -> a.peakBytes().isPresent());
        return new Comparison(
                title,
                baseline.arm().name(),
                List.copyOf(results),
                target,
                origin,
                budget,
                List.copyOf(warnings),
                joules
                        ? "RAPL counters of the processor packages; all that runs on the machine counts"
                        : "no readable RAPL counter; CPU-seconds of the process stand in for it",
                peaks ? "resident memory of the whole process (VmHWM), reset before each run" : "not measured",
                List.copyOf(all));
    }

    private static ArmResult result(ArmRuns arm, Optional<ArmRuns> baseline, Optional<Double> target) {
        List<ArmResult.Run> runs = arm.runs().stream().map(r -> run(r, target)).toList();
        double[] losses = runs.stream()
                .flatMap(r -> r.loss().stream())
                .mapToDouble(Double::doubleValue)
                .toArray();
        return new ArmResult(
                arm.arm().name(),
                arm.arm().settings(),
                arm.tuned().map(Arm::name),
                arm.tried().stream().map(Comparison::tried).toList(),
                runs,
                losses.length == 0 ? Optional.empty() : Optional.of(Statistics.estimate(losses)),
                (int) runs.stream().filter(r -> r.stepsToTarget().isPresent()).count(),
                median(runs, ArmResult.Run::stepsToTarget),
                median(runs, ArmResult.Run::secondsToTarget),
                baseline.flatMap(b -> ratio(arm, b, target, LossCurve.Point::step)),
                baseline.flatMap(b -> ratio(arm, b, target, LossCurve.Point::seconds)),
                median(arm.runs(), r -> r.curve().tokensPerSecond()),
                median(arm.runs(), r -> r.report().flatMap(RunReport::peakBytes).map(Long::doubleValue)),
                median(arm.runs(), r -> r.report().map(p -> (double) p.stateBytes())),
                median(arm.runs(), r -> r.report().map(p -> (double) p.parameters())),
                mean(arm.runs(), r -> r.report().map(RunReport::wallSeconds)),
                mean(arm.runs(), r -> r.report().map(RunReport::cpuSeconds)),
                mean(arm.runs(), r -> r.report().flatMap(RunReport::joules)),
                baseline.flatMap(b -> difference(arm, b)),
                Optional.empty(),
                "");
    }

    private static ArmResult.Run run(MeasuredRun run, Optional<Double> target) {
        Optional<LossCurve.Point> reached = target.flatMap(run.curve()::reaches);
        return new ArmResult.Run(
                run.seed(),
                run.folder().toString(),
                run.loss(),
                divergedAt(run),
                run.report().map(RunReport::message).orElse(""),
                reached.map(LossCurve.Point::step),
                reached.map(LossCurve.Point::seconds));
    }

    private static ArmResult.Tried tried(ArmRuns.Tried tried) {
        return new ArmResult.Tried(tried.choice().name(), tried.run().loss(), divergedAt(tried.run()));
    }

    private static Optional<Long> divergedAt(MeasuredRun run) {
        return run.diverged() ? run.report().map(RunReport::step) : Optional.empty();
    }

    private static <T> Optional<Double> median(List<T> all, Function<T, Optional<Double>> figure) {
        double[] values = values(all, figure);
        return values.length == 0 ? Optional.empty() : Optional.of(Median.of(values));
    }

    private static <T> Optional<Double> mean(List<T> all, Function<T, Optional<Double>> figure) {
        double[] values = values(all, figure);
        return values.length == 0
                ? Optional.empty()
                : Optional.of(Arrays.stream(values).average().orElseThrow());
    }

    private static <T> double[] values(List<T> all, Function<T, Optional<Double>> figure) {
        return all.stream()
                .flatMap(t -> figure.apply(t).stream())
                .mapToDouble(Double::doubleValue)
                .toArray();
    }

    private static Optional<MeasuredRun> partner(MeasuredRun run, ArmRuns arm) {
        return arm.runs().stream().filter(r -> r.seed() == run.seed()).findFirst();
    }

    private static Optional<Double> ratio(
            ArmRuns arm, ArmRuns baseline, Optional<Double> target, Function<LossCurve.Point, Double> figure) {
        List<Double> ratios = new ArrayList<>();
        for (MeasuredRun run : arm.runs()) {
            Optional<LossCurve.Point> mine = target.flatMap(run.curve()::reaches);
            Optional<LossCurve.Point> theirs = partner(run, baseline).flatMap(b -> target.flatMap(b.curve()::reaches));
            if (mine.isPresent() && theirs.isPresent()) {
                ratios.add(figure.apply(mine.get()) / figure.apply(theirs.get()));
            }
        }
        return median(ratios, Optional::of);
    }

    private static Optional<Statistics.Difference> difference(ArmRuns arm, ArmRuns baseline) {
        List<Double> mine = new ArrayList<>();
        List<Double> theirs = new ArrayList<>();
        for (MeasuredRun run : arm.runs()) {
            Optional<Double> other = partner(run, baseline).flatMap(MeasuredRun::loss);
            if (run.loss().isPresent() && other.isPresent()) {
                mine.add(run.loss().get());
                theirs.add(other.get());
            }
        }
        return mine.isEmpty()
                ? Optional.empty()
                : Optional.of(Statistics.paired(values(mine, Optional::of), values(theirs, Optional::of)));
    }

    /** For each arm the name of an earlier one whose every loss is the same to the last bit. */
    private static List<Optional<String>> identical(List<ArmRuns> all, List<String> warnings) {
        List<Optional<String>> same = new ArrayList<>();
        for (int i = 0; i < all.size(); i++) {
            Optional<String> twin = Optional.empty();
            for (int j = 0; j < i && twin.isEmpty(); j++) {
                if (sameLosses(all.get(i), all.get(j))) {
                    twin = Optional.of(all.get(j).arm().name());
                }
            }
            if (twin.isPresent()) {
                warnings.add("arm '%s' changed nothing: all of its losses are those of '%s' to the last bit"
                        .formatted(all.get(i).arm().name(), twin.get()));
            }
            same.add(twin);
        }
        return same;
    }

    private static boolean sameLosses(ArmRuns a, ArmRuns b) {
        if (a.runs().isEmpty() || a.runs().size() != b.runs().size()) {
            return false;
        }
        return a.runs().stream()
                .allMatch(run -> partner(run, b)
                        .filter(other -> losses(run.curve()).equals(losses(other.curve())))
                        .isPresent());
    }

    private static List<List<Double>> losses(LossCurve curve) {
        return List.of(
                curve.training().stream().map(LossCurve.Point::loss).toList(),
                curve.validation().stream().map(LossCurve.Point::loss).toList());
    }

    private static Optional<Double>[] corrected(List<ArmResult> results) {
        int[] tested = IntStream.range(0, results.size())
                .filter(i -> results.get(i)
                        .difference()
                        .flatMap(Statistics.Difference::p)
                        .isPresent())
                .toArray();
        double[] holm = Statistics.holm(IntStream.of(tested)
                .mapToDouble(i -> results.get(i).difference().orElseThrow().p().orElseThrow())
                .toArray());
        @SuppressWarnings({"unchecked", "rawtypes"})
        Optional<Double>[] all = new Optional[results.size()];
        Arrays.fill(all, Optional.empty());
        for (int k = 0; k < tested.length; k++) {
            all[tested[k]] = Optional.of(holm[k]);
        }
        return all;
    }
}
