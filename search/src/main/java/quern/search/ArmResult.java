package quern.search;

import java.util.List;
import java.util.Optional;

/**
 * What came of an arm. Figures that no run of it has are empty.
 *
 * @param name of the arm
 * @param settings its changes to the recipe; {@code key=null} leaves a key out
 * @param tuned the values that its tuning chose
 * @param tuning the values that were tried
 * @param runs its runs
 * @param loss final validation loss in nats a token, over the runs that did not diverge
 * @param reached runs that came down to the target loss
 * @param stepsToTarget their median of optimizer steps to it
 * @param secondsToTarget their median of seconds of training steps to it
 * @param stepRatio the median, over pairs of runs, of its steps to the target by the baseline's; empty for the baseline
 * @param timeRatio the same of seconds
 * @param tokensPerSecond the median over runs of each run's median
 * @param peakBytes resident memory of the process at most, median over runs
 * @param stateBytes of the optimizer
 * @param parameters of the model
 * @param wallSeconds of a run, evaluations and saves included, on average
 * @param cpuSeconds of a run, on average
 * @param joules of the machine's processors during a run, on average
 * @param difference of its final losses to the baseline's of the same seeds; empty for the baseline
 * @param correctedP the difference's p-value by the paired t test, corrected by Holm's method for the number of arms
 * @param verdict one sentence a person can act on
 */
public record ArmResult(
        String name,
        List<String> settings,
        Optional<String> tuned,
        List<Tried> tuning,
        List<Run> runs,
        Optional<Statistics.Estimate> loss,
        int reached,
        Optional<Double> stepsToTarget,
        Optional<Double> secondsToTarget,
        Optional<Double> stepRatio,
        Optional<Double> timeRatio,
        Optional<Double> tokensPerSecond,
        Optional<Double> peakBytes,
        Optional<Double> stateBytes,
        Optional<Double> parameters,
        Optional<Double> wallSeconds,
        Optional<Double> cpuSeconds,
        Optional<Double> joules,
        Optional<Statistics.Difference> difference,
        Optional<Double> correctedP,
        String verdict) {
    /**
     * One choice of the tuning.
     *
     * @param loss its validation loss; empty when it diverged
     * @param divergedAt the step that diverged
     */
    public record Tried(String values, Optional<Double> loss, Optional<Long> divergedAt) {}

    /**
     * One run.
     *
     * @param folder where it lies, as the study's output folder was given
     * @param loss its final validation loss; empty when it diverged
     * @param divergedAt the step that diverged
     * @param message why it diverged; empty when it did not
     */
    public record Run(
            long seed,
            String folder,
            Optional<Double> loss,
            Optional<Long> divergedAt,
            String message,
            Optional<Double> stepsToTarget,
            Optional<Double> secondsToTarget) {}

    /** Runs that diverged. */
    public long diverged() {
        return runs.stream().filter(r -> r.divergedAt().isPresent()).count();
    }

    ArmResult withTest(Optional<Double> p, String sentence) {
        return new ArmResult(
                name,
                settings,
                tuned,
                tuning,
                runs,
                loss,
                reached,
                stepsToTarget,
                secondsToTarget,
                stepRatio,
                timeRatio,
                tokensPerSecond,
                peakBytes,
                stateBytes,
                parameters,
                wallSeconds,
                cpuSeconds,
                joules,
                difference,
                p,
                sentence);
    }
}
