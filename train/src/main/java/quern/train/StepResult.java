package quern.train;

import java.util.Map;
import java.util.Optional;

/**
 * What one optimizer step saw.
 *
 * @param loss the mean loss over the counted tokens of the whole step; not finite where the step overflowed in forward
 * @param gradientNorm the norm of all gradients together, before clipping; not finite where one overflowed
 * @param learningRate the rate used
 * @param tokens real input tokens
 * @param countedTokens tokens whose loss counts
 * @param sequences rows of all micro-batches
 * @param seconds wall time
 * @param update whether weights changed, and if not, why
 * @param note what a person should know of an update that was not taken, or of a change of precision
 * @param reports what segments told of themselves, such as the load of experts: means over the micro-batches
 */
public record StepResult(
        double loss,
        double gradientNorm,
        double learningRate,
        long tokens,
        long countedTokens,
        long sequences,
        double seconds,
        Update update,
        Optional<String> note,
        Map<String, Double> reports) {
    /** What became of the update. Only a taken one changes weights, the optimizer's state or its step counts. */
    public enum Update {
        /** The weights changed. */
        TAKEN,
        /** A value overflowed fp16, so the update was left out. */
        OVERFLOWED,
        /** The loss was a spike, so the update was left out. */
        SPIKED
    }
}
