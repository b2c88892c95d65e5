package quern.recipe;

/**
 * Dynamic loss scaling (Micikevicius et al. 2018, arXiv:1710.03740): the loss is multiplied before backward, gradients
 * are divided by the same number in fp32. A step whose gradients overflow is not taken and lowers the scale; a run of
 * steps without overflow raises it.
 *
 * @param initial the scale of the first step
 * @param growthInterval steps without overflow after which the scale grows
 * @param growthFactor what it is multiplied by then
 * @param backoffFactor what it is multiplied by after an overflow
 * @param floor the smallest scale; an overflow there ends the training
 */
public record LossScale(
        @Doc("The loss scale of the first step.") @Default("65536.0") @Range(min = 0, minExclusive = true)
        double initial,

        @Doc("Steps without overflow after which the scale grows.") @Default("2000") @Range(min = 1)
        int growthInterval,

        @Doc("What the scale is multiplied by when it grows.") @Default("2.0") @Range(min = 1)
        double growthFactor,

        @Doc("What the scale is multiplied by after an overflow.")
        @Default("0.5")
        @Range(min = 0, minExclusive = true, max = 1, maxExclusive = true)
        double backoffFactor,

        @Doc("The smallest scale; an overflow there ends the training.")
        @Default("1.0")
        @Range(min = 0, minExclusive = true)
        double floor) {

    /** What holds where a recipe sets nothing. */
    public static final LossScale DEFAULT = new LossScale(65536, 2000, 2, 0.5, 1);

    public LossScale {
        if (floor > initial) {
            throw new IllegalArgumentException("floor: %s is above initial, %s".formatted(floor, initial));
        }
    }
}
