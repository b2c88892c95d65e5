package quern.recipe;

/**
 * How a larger model begins from a smaller one.
 *
 * @param method what of it grows
 */
public record GrowthSettings(
        @Doc(
                "stack adds layers that change nothing at first; width copies features, heads and inner features; copy adds plain copies of layers, and the loss jumps.")
        Method method) {

    /** What grows. */
    public enum Method {
        /** Depth: new layers begin as the identity. */
        STACK,
        /** Width: what reads copies reads them in shares. */
        WIDTH,
        /** Depth: new layers are copies that take part from the start, which moves the loss. */
        COPY
    }
}
