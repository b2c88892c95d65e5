package quern.data.template;

/**
 * What a rendering may use, so that a hostile template ends: steps, characters made on the way, and calls within calls.
 */
final class Budget {
    private static final long STEPS = 10_000_000;
    private static final long CHARACTERS = 1L << 25;
    private static final int CHARACTERS_AN_ITEM = 16;
    private static final int DEPTH = 600;
    private static final int CHARACTERS_A_STEP = 64;

    private long steps;
    private long characters;
    private int depth;

    /** One step more. */
    void step() {
        if (++steps > STEPS) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT,
                    0,
                    "more than %,d steps; the template runs too long".formatted(STEPS));
        }
    }

    /** Characters that are read through. */
    void read(long count) {
        steps += count / CHARACTERS_A_STEP;
        step();
    }

    /** So many comparisons or the like. */
    void steps(long count) {
        steps += count;
        step();
    }

    /** Items of lists about to be made. */
    void items(long count) {
        characters(count * CHARACTERS_AN_ITEM);
    }

    /** Characters about to be made. */
    void characters(long count) {
        characters += count;
        steps += count / CHARACTERS_A_STEP;
        if (characters > CHARACTERS) {
            throw tooMuch();
        }
        step();
    }

    /** Refuses a text that grew too long while it was written. */
    static void check(CharSequence text) {
        if (text.length() > CHARACTERS) {
            throw tooMuch();
        }
    }

    private static TemplateException tooMuch() {
        return new TemplateException(
                TemplateException.Kind.LIMIT,
                0,
                "more than %,d characters of text; the template makes too much".formatted(CHARACTERS));
    }

    /** One level deeper; {@link #leave} goes back. */
    void enter() {
        if (++depth > DEPTH) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT, 0, "calls and expressions nested more than %d deep".formatted(DEPTH));
        }
    }

    void leave() {
        depth--;
    }
}
