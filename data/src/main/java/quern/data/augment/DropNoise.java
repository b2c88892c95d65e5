package quern.data.augment;

import quern.data.internal.Mix;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Random deletion (Wei and Zou 2019, EDA, arXiv:1901.11196): each word goes with probability {@code share}, with the white
 * space before it. One word stays at least.
 */
public final class DropNoise implements Augmentation {
    /**
     * @param share probability with which a word goes
     * @param seed chooses other changes
     */
    public record Config(
            @Doc("The probability with which a word goes.")
            @Default("0.1")
            @Range(min = 0, max = 1, minExclusive = true)
            double share,

            @Doc("Chooses other changes.") @Default("0") long seed)
            implements Settings {}

    @Override
    public String id() {
        return "drop";
    }

    @Override
    public String summary() {
        return "leaves words out";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Rewriting rewriting(Record config) {
        double share = ((Config) config).share();
        return (text, key) -> dropped(text, key, share);
    }

    private static Change dropped(String text, long key, double share) {
        WordText parts = WordText.of(text);
        int count = parts.words.size();
        int spared = count == 0 ? 0 : (int) Mix.below(key, -1, count);
        StringBuilder left = new StringBuilder(text.length());
        int gone = 0;
        for (int i = 0; i < count; i++) {
            if (i != spared && Mix.unit(key, i) < share) {
                left.append(parts.gaps.get(i).stripTrailing());
                gone++;
            } else {
                left.append(parts.gaps.get(i)).append(parts.words.get(i));
            }
        }
        return new Change(left.append(parts.gaps.getLast()).toString(), count, gone);
    }
}
