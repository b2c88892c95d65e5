package quern.nn;

import quern.recipe.QuernException;

/**
 * What the environment variable {@code QUERN_FUSED_BLOCKS} asks for: {@code always} takes a block's hand-written form in every
 * call that it can compute, however small or slow, {@code library} does so with libtorch's matrix products in it, {@code never}
 * takes the plain form in all. Unset, the faster one is taken.
 */
enum FusedSetting {
    FASTER,
    ALWAYS,
    LIBRARY,
    NEVER;

    static final String VARIABLE = "QUERN_FUSED_BLOCKS";

    private static final String VALUE = System.getenv(VARIABLE);

    /**
     * That of this process.
     *
     * @throws QuernException bad input when the variable has another value
     */
    static FusedSetting current() {
        return of(VALUE);
    }

    static FusedSetting of(String value) {
        return switch (value) {
            case null -> FASTER;
            case "" -> FASTER;
            case "always" -> ALWAYS;
            case "library" -> LIBRARY;
            case "never" -> NEVER;
            default ->
                throw QuernException.badInput(
                        "%s is '%s', expected always, library or never, or nothing for the faster form",
                        VARIABLE, value);
        };
    }
}
