package quern.train;

/**
 * Where a training stands.
 *
 * @param step optimizer steps taken
 * @param maxSteps optimizer steps of the whole training
 * @param epoch passes over the data so far, a fraction
 * @param tokens input tokens seen so far, padding not counted
 */
public record TrainingProgress(long step, long maxSteps, double epoch, long tokens) {}
