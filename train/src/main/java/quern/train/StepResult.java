package quern.train;

/**
 * What one optimizer step saw.
 *
 * @param loss the mean loss over the counted tokens of the whole step
 * @param gradientNorm the norm of all gradients together, before clipping
 * @param learningRate the rate used
 * @param tokens real input tokens
 * @param countedTokens tokens whose loss counts
 * @param seconds wall time
 */
public record StepResult(
        double loss, double gradientNorm, double learningRate, long tokens, long countedTokens, double seconds) {}
