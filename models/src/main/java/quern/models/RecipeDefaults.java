package quern.models;

import java.util.Map;

/**
 * What a recipe may leave out of a model's settings although the family has no default for it, because it follows from
 * others.
 */
public final class RecipeDefaults {
    /** Widths are whole multiples of this, so that matrices fill the machine's vectors. */
    private static final long MULTIPLE = 64;

    private RecipeDefaults() {}

    /**
     * Gives the rates that aren't set the value of {@code dropout}, for families whose settings have no such key.
     *
     * @param settings a recipe's, or a file's and a recipe's together
     */
    public static void spreadDropout(Map<String, Object> settings, String... rates) {
        // A rate out of range stays under the key it was given by, so that the message names that.
        if (settings.get("dropout") instanceof Number dropout
                && dropout.doubleValue() >= 0
                && dropout.doubleValue() < 1) {
            settings.remove("dropout");
            for (String key : rates) {
                settings.putIfAbsent(key, dropout);
            }
        }
    }

    /** {@code key} is four times {@code hidden_size}, as in the first transformer. */
    public static void fourfoldWidth(Map<String, Object> settings, String key) {
        if (settings.get("hidden_size") instanceof Number width) {
            settings.putIfAbsent(key, 4 * width.longValue());
        }
    }

    /**
     * {@code intermediate_size} of a gated feed-forward part is 8/3 of {@code hidden_size}, rounded up: as many weights as
     * a plain one of four times the width.
     */
    public static void gatedWidth(Map<String, Object> settings) {
        if (settings.get("hidden_size") instanceof Number width) {
            long inner = Math.ceilDiv(8 * width.longValue(), 3);
            settings.putIfAbsent("intermediate_size", Math.ceilDiv(inner, MULTIPLE) * MULTIPLE);
        }
    }

    /** Heads split {@code hidden_size} among them, and each has keys and values of its own. */
    public static void evenHeads(Map<String, Object> settings) {
        if (settings.get("num_attention_heads") instanceof Number heads) {
            settings.putIfAbsent("num_key_value_heads", heads);
            if (settings.get("hidden_size") instanceof Number width
                    && heads.longValue() > 0
                    && width.longValue() % heads.longValue() == 0) {
                settings.putIfAbsent("head_dim", width.longValue() / heads.longValue());
            }
        }
    }
}
