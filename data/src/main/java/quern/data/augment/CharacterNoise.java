package quern.data.augment;

import java.util.List;
import java.util.Objects;
import quern.data.internal.Mix;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Noise of characters (Belinkov and Bisk 2018, arXiv:1711.02173): letters and digits are left out, doubled by another,
 * replaced, or change places with the next one. New characters are drawn from the letters and digits of the document, so
 * that no tokenizer meets one it never saw.
 */
public final class CharacterNoise implements Augmentation {
    /** What happens to a character. */
    public enum Operation {
        /** Another one is put before it. */
        INSERT,
        /** It goes. */
        DELETE,
        /** Another one takes its place. */
        SUBSTITUTE,
        /** It changes places with the next one. */
        TRANSPOSE
    }

    /**
     * @param share of letters and digits that are changed, each for itself
     * @param operations what may happen to one, each as likely
     * @param seed chooses other changes
     */
    public record Config(
            @Doc("The share of letters and digits that are changed.")
            @Default("0.02")
            @Range(min = 0, max = 1, minExclusive = true)
            double share,

            @Doc("What may happen to one: insert, delete, substitute, transpose.")
            @Default("[insert, delete, substitute, transpose]")
            List<Operation> operations,

            @Doc("Chooses other changes.") @Default("0") long seed)
            implements Settings {
        /** Refuses an empty list. */
        public Config {
            operations = List.copyOf(Objects.requireNonNull(operations));
            if (operations.isEmpty()) {
                throw new IllegalArgumentException("operations: empty; name one, or leave the augmentation out");
            }
        }
    }

    @Override
    public String id() {
        return "noise_character";
    }

    @Override
    public String summary() {
        return "inserts, deletes, replaces and transposes characters";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Rewriting rewriting(Record config) {
        Config own = (Config) config;
        return (text, key) -> noisy(text, key, own);
    }

    private static Change noisy(String text, long key, Config config) {
        int[] points = text.codePoints().toArray();
        int[] letters = text.codePoints().filter(Character::isLetterOrDigit).toArray();
        StringBuilder noisy = new StringBuilder(text.length() + 16);
        int changed = 0;
        for (int i = 0; i < points.length; i++) {
            if (!Character.isLetterOrDigit(points[i]) || Mix.unit(key, 3L * i) >= config.share()) {
                noisy.appendCodePoint(points[i]);
                continue;
            }
            int drawn = letters[(int) Mix.below(key, 3L * i + 1, letters.length)];
            changed++;
            switch (config.operations()
                    .get((int) Mix.below(key, 3L * i + 2, config.operations().size()))) {
                case INSERT -> noisy.appendCodePoint(drawn).appendCodePoint(points[i]);
                case DELETE -> {}
                case SUBSTITUTE -> noisy.appendCodePoint(drawn);
                case TRANSPOSE -> {
                    boolean next = i + 1 < points.length && Character.isLetterOrDigit(points[i + 1]);
                    if (next) {
                        noisy.appendCodePoint(points[i + 1]).appendCodePoint(points[i]);
                        i++;
                    } else {
                        noisy.appendCodePoint(points[i]);
                        changed--;
                    }
                }
            }
        }
        // Chance may delete all of a short document.
        return noisy.toString().isBlank()
                ? Change.none(text, letters.length)
                : new Change(noisy.toString(), letters.length, changed);
    }
}
