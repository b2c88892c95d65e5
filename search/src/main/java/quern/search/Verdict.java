package quern.search;

import java.util.Locale;
import java.util.Optional;
import java.util.StringJoiner;

/** One sentence about an arm that a person can act on, and that says no more than the runs do. */
final class Verdict {
    /** Ratios nearer to 1 than this are within what a shared machine does by itself. */
    private static final double SAME_TIME = 0.05;

    private static final double LEAST_SHOWN = 0.0001;
    private static final double NOTHING = 0.005;

    private Verdict() {}

    /**
     * The sentence.
     *
     * @param p the corrected p-value of the difference to the baseline
     * @param twin the earlier arm whose losses are the same to the last bit
     */
    static String of(
            ArmResult arm,
            ArmResult baseline,
            boolean isBaseline,
            Optional<Double> p,
            Optional<String> twin,
            Optional<Double> target) {
        String name = arm.name();
        if (arm.runs().isEmpty()) {
            return "%s diverged with every value of its tuning: give it lower ones".formatted(name);
        }
        if (arm.loss().isEmpty()) {
            return arm.diverged() == 0
                    ? "%s has no validation loss, so it can't be judged".formatted(name)
                    : "%s diverged in %s (%s): not usable like this"
                            .formatted(
                                    name,
                                    arm.runs().size() == 1
                                            ? "its only run"
                                            : "all %d runs".formatted(arm.runs().size()),
                                    divergedSteps(arm));
        }
        String diverged = arm.diverged() == 0
                ? ""
                : "; %d of its %d runs diverged (%s) and count in no mean"
                        .formatted(arm.diverged(), arm.runs().size(), divergedSteps(arm));
        if (isBaseline) {
            return "%s is the baseline: final loss %s%s"
                    .formatted(name, estimate(arm.loss().get()), diverged);
        }
        if (twin.isPresent()) {
            return "%s changed nothing: its losses are those of %s to the last bit".formatted(name, twin.get());
        }
        if (arm.difference().isEmpty()) {
            return "%s can't be judged against %s, since no seed has a finished run of both%s"
                    .formatted(name, baseline.name(), diverged);
        }
        return compared(arm, baseline, p, target) + diverged;
    }

    private static String compared(ArmResult arm, ArmResult baseline, Optional<Double> p, Optional<Double> target) {
        Statistics.Difference difference = arm.difference().orElseThrow();
        double mean = difference.estimate().mean();
        int n = difference.estimate().n();
        String by = "%.4f".formatted(Math.abs(mean));
        if (n == 1) {
            return "%s's loss is %s %s than %s's in the one pair of runs, which can't be told from chance: run more seeds"
                    .formatted(arm.name(), by, mean < 0 ? "lower" : "higher", baseline.name());
        }
        if (p.isEmpty()) {
            return "%s's loss differs from %s's by %s in each of %d runs, without any spread to test it by"
                    .formatted(arm.name(), baseline.name(), signed(mean), n);
        }
        String numbers = "%s, p %s, %d seeds"
                .formatted(signedEstimate(difference.estimate()), (p.get() < LEAST_SHOWN ? "" : "= ") + p(p.get()), n);
        if (p.get() >= Statistics.ALPHA) {
            return "no difference between %s and %s that %d seeds can show (%s)%s"
                    .formatted(arm.name(), baseline.name(), n, numbers, costs(arm, baseline));
        }
        if (mean > 0) {
            return "%s is worse than %s (%s)%s: stay with %s"
                    .formatted(arm.name(), baseline.name(), numbers, costs(arm, baseline), baseline.name());
        }
        boolean slower = arm.timeRatio().filter(r -> r > 1 + SAME_TIME).isPresent();
        return "%s is better than %s (%s)%s%s: %s"
                .formatted(
                        arm.name(),
                        baseline.name(),
                        numbers,
                        toTarget(arm, target),
                        costs(arm, baseline),
                        slower ? "worth it where data or steps are scarce, not time" : "worth switching");
    }

    /** How soon the target is reached, where it is. */
    private static String toTarget(ArmResult arm, Optional<Double> target) {
        if (arm.stepRatio().isEmpty() || arm.timeRatio().isEmpty() || target.isEmpty()) {
            return "";
        }
        return "; reaches loss %.4f in %.2fx the steps and %.2fx the time"
                .formatted(target.get(), arm.stepRatio().get(), arm.timeRatio().get());
    }

    /** Speed and state where they clearly differ. */
    private static String costs(ArmResult arm, ArmResult baseline) {
        StringJoiner costs = new StringJoiner(" and ", "; it has ", "").setEmptyValue("");
        ratio(arm.tokensPerSecond(), baseline.tokensPerSecond())
                .filter(r -> Math.abs(r - 1) > SAME_TIME)
                .ifPresent(r -> costs.add("%.2fx the tokens/s".formatted(r)));
        ratio(arm.stateBytes(), baseline.stateBytes())
                .filter(r -> Math.abs(r - 1) > SAME_TIME)
                .ifPresent(r -> costs.add(
                        r < NOTHING ? "next to no optimizer state" : "%.2fx the optimizer state".formatted(r)));
        return costs.toString();
    }

    private static Optional<Double> ratio(Optional<Double> a, Optional<Double> b) {
        return a.isPresent() && b.isPresent() && b.get() > 0 ? Optional.of(a.get() / b.get()) : Optional.empty();
    }

    private static String divergedSteps(ArmResult arm) {
        StringJoiner steps = new StringJoiner(", ", "at step ", "");
        arm.runs().forEach(r -> r.divergedAt().ifPresent(step -> steps.add("%,d".formatted(step))));
        return steps.toString();
    }

    /** A mean with half its interval: {@code 1.5012 ± 0.0034}. */
    static String estimate(Statistics.Estimate e) {
        return "%.4f%s"
                .formatted(e.mean(), e.halfWidth().map(" ± %.4f"::formatted).orElse(""));
    }

    /** A difference with half its interval: {@code -0.0120 ± 0.0034}. */
    static String signedEstimate(Statistics.Estimate e) {
        return signed(e.mean()) + e.halfWidth().map(" ± %.4f"::formatted).orElse("");
    }

    private static String signed(double value) {
        return String.format(Locale.ROOT, "%+.4f", value);
    }

    /** A p-value with two digits. */
    static String p(double p) {
        return p < LEAST_SHOWN
                ? "< 0.0001"
                : p < 0.001 ? "%.4f".formatted(p) : p < 0.1 ? "%.3f".formatted(p) : "%.2f".formatted(p);
    }
}
