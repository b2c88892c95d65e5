package quern.search;

import java.util.List;
import java.util.stream.LongStream;

/**
 * What a comparison trains: the same tuning for every arm.
 *
 * @param tuningRuns tuning runs of each arm
 * @param tuningSteps optimizer steps of one tuning run, by arm
 * @param seeds runs of each arm that are judged
 * @param steps optimizer steps of one of them, by arm
 */
public record Budget(int tuningRuns, List<Long> tuningSteps, int seeds, List<Long> steps) {
    public Budget {
        tuningSteps = List.copyOf(tuningSteps);
        steps = List.copyOf(steps);
    }

    /** Runs of all arms. */
    public int runs() {
        return (tuningRuns + seeds) * steps.size();
    }

    /** Optimizer steps of all runs. */
    public long totalSteps() {
        return sum(tuningSteps) * tuningRuns + sum(steps) * seeds;
    }

    /** In words. */
    public String text() {
        String tuning = tuningRuns == 0
                ? ""
                : "tuning %d runs of %s steps with one seed, then ".formatted(tuningRuns, each(tuningSteps));
        return "%d arms, each: %s%d %s of %s steps; %,d runs, %,d steps in all"
                .formatted(
                        steps.size(), tuning, seeds, seeds == 1 ? "seed" : "seeds", each(steps), runs(), totalSteps());
    }

    private static String each(List<Long> steps) {
        long least = steps.stream().mapToLong(Long::longValue).min().orElse(0);
        long most = steps.stream().mapToLong(Long::longValue).max().orElse(0);
        return least == most ? "%,d".formatted(least) : "%,d to %,d".formatted(least, most);
    }

    private static long sum(List<Long> values) {
        return values.stream().flatMapToLong(LongStream::of).sum();
    }
}
