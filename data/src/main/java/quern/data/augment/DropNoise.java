package quern.data.augment;

import quern.data.internal.Mix;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Random deletion (Wei and Zou 2019, EDA, arXiv:1901.11196): each word goes with probability {@code share}, with the
 * spaces before it. One word stays at least.
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
        boolean dropped = false;
        for (int i = 0; i <= count; i++) {
            String gap = parts.gaps.get(i);
            boolean lineBegins = left.isEmpty() || left.charAt(left.length() - 1) == '\n';
            left.append(dropped && lineBegins ? withoutSpaces(gap) : gap);
            dropped = i < count && i != spared && Mix.unit(key, i) < share;
            if (dropped) {
                gone++;
                while (!left.isEmpty() && left.charAt(left.length() - 1) == ' ') {
                    left.setLength(left.length() - 1);
                }
            } else if (i < count) {
                left.append(parts.words.get(i));
            }
        }
        return new Change(left.toString(), count, gone);
    }

    private static String withoutSpaces(String gap) {
        int from = 0;
        while (from < gap.length() && gap.charAt(from) == ' ') {
            from++;
        }
        return gap.substring(from);
    }
}
