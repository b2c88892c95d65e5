package quern.search;

import java.util.List;
import java.util.Optional;

/**
 * An arm with its runs.
 *
 * @param arm what it changes
 * @param tuned the tuning's choice; empty without tuning, or when every choice diverged
 * @param tried the tuning's runs
 * @param runs one for each seed; none when every choice of the tuning diverged
 */
public record ArmRuns(Arm arm, Optional<Arm> tuned, List<Tried> tried, List<MeasuredRun> runs) {
    /**
     * One choice of the tuning.
     *
     * @param choice the values
     * @param run what came of it
     */
    public record Tried(Arm choice, MeasuredRun run) {}

    public ArmRuns {
        tried = List.copyOf(tried);
        runs = List.copyOf(runs);
    }
}
