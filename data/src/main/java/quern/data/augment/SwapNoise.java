package quern.data.augment;

import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import quern.data.internal.Mix;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Random swap (Wei and Zou 2019, EDA, arXiv:1901.11196): words change places with others of the same document, {@code share}
 * of the words in all. What stands between the words stays where it is.
 */
public final class SwapNoise implements Augmentation {
    /**
     * @param share of the words that are moved
     * @param seed chooses other changes
     */
    public record Config(
            @Doc("The share of words that are moved.") @Default("0.1") @Range(min = 0, max = 1, minExclusive = true)
            double share,

            @Doc("Chooses other changes.") @Default("0") long seed)
            implements Settings {}

    @Override
    public String id() {
        return "swap";
    }

    @Override
    public String summary() {
        return "lets words change places";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Rewriting rewriting(Record config) {
        double share = ((Config) config).share();
        return (text, key) -> swapped(text, key, share);
    }

    private static Change swapped(String text, long key, double share) {
        WordText parts = WordText.of(text);
        int count = parts.words.size();
        if (count < 2) {
            return Change.none(text, count);
        }
        List<String> before = List.copyOf(parts.words);
        // A swap moves two words. The odd half is drawn, so that short texts are changed as often as their share asks.
        double wanted = share * count / 2;
        int swaps = (int) wanted + (Mix.unit(key, -1) < wanted - Math.floor(wanted) ? 1 : 0);
        for (int i = 0; i < swaps; i++) {
            int one = (int) Mix.below(key, 2L * i, count);
            int other = (int) Mix.below(key, 2L * i + 1, count - 1L);
            Collections.swap(parts.words, one, other < one ? other : other + 1);
        }
        long moved = IntStream.range(0, count)
                .filter(i -> !before.get(i).equals(parts.words.get(i)))
                .count();
        return new Change(parts.join(), count, moved);
    }
}
