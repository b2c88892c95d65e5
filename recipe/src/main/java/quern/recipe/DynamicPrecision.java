package quern.recipe;

/**
 * When a segment of a training in {@link Precision#DYNAMIC} changes from fp16 to bf16 for good.
 *
 * @param overflows how often it must be the first to overflow
 * @param window in how many steps
 */
public record DynamicPrecision(
        @Doc("Overflows of a segment after which it computes in bf16.") @Default("4") @Range(min = 1)
        int overflows,

        @Doc("The steps within which they must fall.") @Default("200") @Range(min = 1)
        int window) {

    /** What holds where a recipe sets nothing. */
    public static final DynamicPrecision DEFAULT = new DynamicPrecision(4, 200);

    public DynamicPrecision {
        if (overflows > window) {
            throw new IllegalArgumentException(
                    "overflows: %d do not fit into a window of %d steps, since a step overflows once"
                            .formatted(overflows, window));
        }
    }
}
