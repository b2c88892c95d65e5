package quern.search;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** The choice among an arm's tuning runs. */
final class Tuning {
    /** With fewer values than this every one is at an edge. */
    private static final int FEWEST_INSIDE = 3;

    private Tuning() {}

    /** The run with the lowest validation loss; the first of equal ones. Empty when all have diverged. */
    static Optional<ArmRuns.Tried> best(List<ArmRuns.Tried> tried) {
        return tried.stream()
                .filter(t -> t.run().loss().filter(Double::isFinite).isPresent())
                .min(Comparator.comparingDouble(t -> t.run().loss().orElseThrow()));
    }

    /** Warnings that the best value is the lowest or highest that was tried, so that a better one may lie beyond. */
    static List<String> edges(Arm arm, List<Axis> axes, List<ArmRuns.Tried> tried) {
        Optional<ArmRuns.Tried> best = best(tried);
        if (best.isEmpty()) {
            return List.of("arm '%s' diverged with every value of its tuning, so it has no runs".formatted(arm.name()));
        }
        List<String> warnings = new ArrayList<>();
        for (Axis axis : axes) {
            List<Arm> values = axis.arms();
            List<Double> numbers = numbers(values);
            if (values.size() < FEWEST_INSIDE || numbers.isEmpty()) {
                continue;
            }
            for (int i = 0; i < values.size(); i++) {
                double number = numbers.get(i);
                boolean edge = numbers.stream().noneMatch(n -> n < number)
                        || numbers.stream().noneMatch(n -> n > number);
                if (edge
                        && best.get()
                                .choice()
                                .settings()
                                .containsAll(values.get(i).settings())) {
                    warnings.add("arm '%s': the best %s is at the edge of what was tried; a better one may lie beyond"
                            .formatted(arm.name(), values.get(i).name()));
                }
            }
        }
        return warnings;
    }

    /** The axis's values as numbers; none unless all of them are. */
    private static List<Double> numbers(List<Arm> values) {
        List<Double> numbers = new ArrayList<>();
        for (Arm value : values) {
            String setting = value.settings().getFirst();
            try {
                numbers.add(Double.parseDouble(setting.substring(setting.indexOf('=') + 1)));
            } catch (NumberFormatException e) {
                return List.of();
            }
        }
        return numbers;
    }
}
