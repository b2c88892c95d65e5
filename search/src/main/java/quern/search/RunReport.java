package quern.search;

import java.util.Optional;

/**
 * How a run of a comparison ended and what it cost: {@code run.json} in its folder.
 *
 * @param ending how
 * @param step the last step, or the one that diverged
 * @param maxSteps steps that the recipe asked for
 * @param message why it did not go on; empty where it did
 * @param parameters trainable and other weights
 * @param stateBytes of the optimizer
 * @param peakBytes resident in the process at most; empty where that can't be measured
 * @param wallSeconds of the whole training, evaluations and saves included
 * @param cpuSeconds of all threads of the process
 * @param joules of the machine's processors; empty where no counter is readable
 * @param data fingerprint of the tokens
 */
public record RunReport(
        Ending ending,
        long step,
        long maxSteps,
        String message,
        long parameters,
        long stateBytes,
        Optional<Long> peakBytes,
        double wallSeconds,
        double cpuSeconds,
        Optional<Double> joules,
        String data) {
    static final String FILE = "run.json";

    /** How a run ended. */
    public enum Ending {
        /** All steps were taken. */
        DONE,
        /** Early stopping ended it. */
        EARLY,
        /** A loss, gradient or weight was not finite, or the training refused to go on for a like reason. */
        DIVERGED
    }
}
