package quern.data.order;

import java.util.Arrays;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Mixing by weights to the power of one over a temperature (Raffel et al. 2020, arXiv:1910.10683, section 3.5.2): 1 leaves the
 * weights, or the tokens of each corpus where the recipe gives none, as they are, and the larger it is, the more alike they get.
 */
public final class TemperatureMixing implements Mixing {
    /** Settings. */
    public record Config(
            @Doc("1 keeps the weights; larger ones even them out.") @Default("2.0") @Range(min = 0, minExclusive = true)
            double temperature) {}

    @Override
    public String id() {
        return "temperature";
    }

    @Override
    public String summary() {
        return "weights to the power of 1/temperature: small corpora are met more often than their size says";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Shares open(Corpora corpora, Record config) {
        double temperature = ((Config) config).temperature();
        // Of the shares, whose powers do not overflow as those of the weights may.
        double most = Arrays.stream(corpora.weights()).max().orElseThrow();
        double[] shares = Weights.shares(Arrays.stream(corpora.weights())
                .map(w -> Math.pow(w / most, 1 / temperature))
                .toArray());
        return step -> shares.clone();
    }
}
