package quern.models.part.position;

import java.util.List;
import quern.models.part.Assembly;
import quern.models.part.Composition;
import quern.models.part.InitializationPart.Role;
import quern.models.part.PartTechnique;
import quern.models.part.PositionPart;
import quern.models.part.Stack;
import quern.nn.Positions;
import quern.nn.RelativePositionBias;
import quern.nn.Segment;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.tensor.Parameter;

/** T5's learnt biases on scores by buckets of distance (Raffel et al. 2020, arXiv:1910.10683, section 2.1), one table a stack.
 * Where queries see later keys too, half of the buckets are for those. */
public final class Relative implements PartTechnique {
    @Override
    public String kind() {
        return PositionPart.KIND;
    }

    @Override
    public String id() {
        return "relative";
    }

    @Override
    public String summary() {
        return "T5: a learnt bias a head on scores, by buckets of distance";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param numBuckets rows of the table
     * @param maxDistance from which on all distances share the last bucket
     */
    public record Config(
            @Doc("The number of buckets of distance.") @Default("32") @Range(min = 4)
            int numBuckets,

            @Doc("The distance from which on all are alike.") @Default("128") @Range(min = 1)
            int maxDistance)
            implements PositionPart {
        @Override
        public void check(Composition c) {
            if (numBuckets % 4 != 0) {
                throw new IllegalArgumentException(
                        "position: relative: num_buckets: %d; both sides' near and far distances share them evenly, so a multiple of 4 is needed"
                                .formatted(numBuckets));
            }
            if (maxDistance <= numBuckets / 2) {
                throw new IllegalArgumentException(
                        "position: relative: max_distance: %d is not more than the %d distances that have a bucket each; raise it"
                                .formatted(maxDistance, numBuckets / 2));
            }
        }

        @Override
        public List<Segment> before(Stack stack, Assembly a) {
            String name = stack.prefix() + "relative_attention_bias";
            Parameter table_NH =
                    a.table(Role.DISTANCES, name, numBuckets, a.config().numAttentionHeads());
            RelativePositionBias bias = stack.seesAhead()
                    ? RelativePositionBias.encoder(name, table_NH, maxDistance)
                    : RelativePositionBias.decoder(name, table_NH, maxDistance);
            return List.of(bias.withIds(stack.tokens()));
        }

        @Override
        public Positions positions(Positions positions, Stack stack, Composition c) {
            return positions.withBias();
        }
    }
}
