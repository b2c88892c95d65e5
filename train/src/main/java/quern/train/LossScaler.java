package quern.train;

import java.util.Map;
import quern.recipe.LossScale;
import quern.recipe.QuernException;

/**
 * The loss scale of a training in fp16 over its steps, by the rules of {@link LossScale}. A step that overflows is not
 * taken: no weight, no optimizer state and no optimizer's step count changes. The training's own step counter goes on, and
 * with it the data and the schedule, so that both stay pure functions of the step.
 */
final class LossScaler implements Resumable {
    private static final String SCALE = "scale";
    private static final String GOOD_STEPS = "good_steps";

    private final LossScale config;
    private double scale;
    private long goodSteps;

    LossScaler(LossScale config) {
        this.config = config;
        this.scale = config.initial();
    }

    /** What the loss of the next step is multiplied by. */
    double scale() {
        return scale;
    }

    /** Whether the scale can't be lowered any more. */
    boolean isAtFloor() {
        return scale <= config.floor();
    }

    /** A step was taken without overflow. */
    void taken() {
        goodSteps++;
        if (goodSteps == config.growthInterval()) {
            double grown = scale * config.growthFactor();
            // An infinite scale could never shrink again.
            scale = grown <= Float.MAX_VALUE ? grown : scale;
            goodSteps = 0;
        }
    }

    /**
     * Lowers the scale after an overflow.
     *
     * @param step the step, counted from 1
     * @param what what overflowed, a clause
     * @throws QuernException refused where the scale is at its floor already
     */
    void overflowed(long step, String what) {
        if (isAtFloor()) {
            throw QuernException.refused(
                    "step %d: %s in fp16, at the smallest loss scale, %s (loss_scale.floor); no weight was changed and the last checkpoint stands; lower learning_rate, or train with precision: dynamic or bf16",
                    step, what, config.floor());
        }
        scale = Math.max(config.floor(), scale * config.backoffFactor());
        goodSteps = 0;
    }

    @Override
    public String name() {
        return "loss_scale";
    }

    @Override
    public Map<String, Double> state() {
        return Map.of(SCALE, scale, GOOD_STEPS, (double) goodSteps);
    }

    @Override
    public void load(Map<String, Double> state) {
        scale = state.getOrDefault(SCALE, scale);
        goodSteps = state.getOrDefault(GOOD_STEPS, (double) goodSteps).longValue();
    }
}
