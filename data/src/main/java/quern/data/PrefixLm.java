package quern.data;

import quern.data.internal.PrefixedRows;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * Prediction of what follows a prefix that the model sees whole (Raffel et al. 2020, arXiv:1910.10683, section 3.2.1). Each row is
 * cut in two at a place drawn anew in every epoch; only tokens behind it are predicted. With {@code packing} rows are windows over
 * the concatenated documents, otherwise documents.
 */
public final class PrefixLm implements Objective {
    /**
     * @param minPrefixShare the least share of a row that is prefix
     * @param maxPrefixShare the largest
     */
    public record Config(
            @Doc("The least share of a row that is prefix.") @Default("0") @Range(min = 0, max = 1)
            double minPrefixShare,

            @Doc("The largest share of a row that is prefix.") @Default("1") @Range(min = 0, max = 1)
            double maxPrefixShare) {
        /** Checks the order of the two. */
        public Config {
            if (minPrefixShare > maxPrefixShare) {
                throw new IllegalArgumentException(
                        "min_prefix_share: %s is above max_prefix_share %s".formatted(minPrefixShare, maxPrefixShare));
            }
        }
    }

    @Override
    public String id() {
        return "prefix_lm";
    }

    @Override
    public String summary() {
        return "predict what follows a prefix that is seen whole";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public String task() {
        return "causal_lm";
    }

    @Override
    public boolean givesPrefixes() {
        return true;
    }

    @Override
    public BatchSource source(Input input, Record config) {
        if (input.data().maxLength() < 2) {
            throw QuernException.badInput(
                    "max_length: rows of %d tokens are too short for a prefix and what follows it; raise it",
                    input.data().maxLength());
        }
        return new PrefixedRows(input, (Config) config);
    }
}
