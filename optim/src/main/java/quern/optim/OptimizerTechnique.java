package quern.optim;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.recipe.Technique;

/** A rule for changing weights by their gradients: what a recipe chooses with {@code optim}. */
public interface OptimizerTechnique extends Technique {
    /** The kind of every optimizer. */
    String KIND = "optim";

    @Override
    default String kind() {
        return KIND;
    }

    /**
     * The top-level keys of a recipe that this technique reads, of {@link OptimizerSettings#KEYS}. Setting another of
     * these has no effect, so a recipe that does is wrong.
     */
    Set<String> settings();

    /**
     * A rate that the optimizer sets itself, in place of the recipe's learning rate and schedule.
     *
     * @param key the key of {@code optim_args} that asks for it
     * @param schedule the rates, as metrics show them; the optimizer does not read the rate it is stepped with
     */
    record OwnRate(String key, Schedule schedule) {}

    /** The rate that the optimizer sets itself with this {@link #config()} record; empty: it takes the recipe's. */
    default Optional<OwnRate> ownRate(Record config) {
        return Optional.empty();
    }

    /**
     * An optimizer over the trainable parameters of the groups. Its state is allocated here, on each parameter's
     * device; weights of fewer than 32 bits get fp32 masters, copied from them now.
     *
     * @param groups every parameter at most once
     * @param settings the recipe's top-level keys
     * @param config the technique's {@link #config()} record, bound from {@code optim_args}
     */
    Optimizer create(List<ParameterGroup> groups, OptimizerSettings settings, Record config);
}
