package quern.data.augment;

import java.util.Optional;
import quern.data.internal.Mix;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Noise of words (Xie et al. 2017, "Data noising as smoothing in neural network language models", arXiv:1703.02573): a word
 * is replaced by a blank, or by a word drawn from those of the document, as often as each occurs there.
 */
public final class TokenNoise implements Augmentation {
    /**
     * @param share of words that are replaced, each for itself
     * @param blank what takes the place of a word; absent: a word of the document
     * @param seed chooses other changes
     */
    public record Config(
            @Doc("The share of words that are replaced.") @Default("0.1") @Range(min = 0, max = 1, minExclusive = true)
            double share,

            @Doc("What takes the place of a word; absent: a word of the document.")
            Optional<String> blank,

            @Doc("Chooses other changes.") @Default("0") long seed)
            implements Settings {
        /** Refuses an empty blank. */
        public Config {
            if (blank.isPresent() && blank.get().isEmpty()) {
                throw new IllegalArgumentException("blank: empty; to leave words out use the augmentation drop");
            }
        }
    }

    @Override
    public String id() {
        return "noise_token";
    }

    @Override
    public String summary() {
        return "replaces words by a blank or by others of the document";
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
        WordText parts = WordText.of(text);
        int count = parts.words.size();
        String[] before = parts.words.toArray(String[]::new);
        int changed = 0;
        for (int i = 0; i < count; i++) {
            if (Mix.unit(key, 2L * i) < config.share()) {
                int drawn = (int) Mix.below(key, 2L * i + 1, count);
                String other = config.blank().orElse(before[drawn]);
                changed += other.equals(before[i]) ? 0 : 1;
                parts.words.set(i, other);
            }
        }
        return new Change(parts.join(), count, changed);
    }
}
