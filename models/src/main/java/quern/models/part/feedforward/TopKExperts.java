package quern.models.part.feedforward;

import java.util.List;
import java.util.Optional;
import quern.models.part.Assembly;
import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.FeedForwardPart;
import quern.models.part.PartTechnique;
import quern.models.part.Stack;
import quern.nn.Branch;
import quern.nn.MixtureOfExperts;
import quern.nn.Segment;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * A mixture of experts of which each token goes to the k that its router finds most likely (Shazeer et al. 2017,
 * arXiv:1701.06538; Jiang et al. 2024, arXiv:2401.04088). {@code intermediate_size} is the width inside one expert.
 */
public final class TopKExperts implements PartTechnique {
    @Override
    public String kind() {
        return FeedForwardPart.KIND;
    }

    @Override
    public String id() {
        return "moe";
    }

    @Override
    public String summary() {
        return "A mixture of experts, each token to the k most likely ones (Mixtral)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param numLocalExperts experts in a block
     * @param numExpertsPerTok experts that each token goes to
     * @param numSharedExperts experts more that every token goes to
     * @param expert what an expert computes
     * @param capacityFactor how many times its even share of picks an expert takes in training; all when absent
     * @param routerAuxLossCoef the factor on the loss that balances experts
     * @param routerZLossCoef the factor on the routers' z-loss
     * @param routerJitterNoise in training a router's inputs are multiplied by numbers from 1 - this to 1 + this
     */
    public record Config(
            @Doc("Experts in a block.") @Default("8") @Range(min = 1)
            int numLocalExperts,

            @Doc("Experts that each token goes to.") @Default("2") @Range(min = 1)
            int numExpertsPerTok,

            @Doc("Experts more that every token goes to.") @Default("0") @Range(min = 0)
            int numSharedExperts,

            @Doc("What an expert computes: swiglu, geglu, gelu or relu.") @Default("swiglu")
            ExpertKind expert,

            @Doc(
                    "How many times its even share of picks an expert takes in training; picks above that are dropped. All when absent.")
            @Range(min = 0, minExclusive = true)
            Optional<Double> capacityFactor,

            @Doc("The factor on the loss that balances experts.") @Default("0.01") @Range(min = 0)
            double routerAuxLossCoef,

            @Doc("The factor on the routers' z-loss.") @Default("0") @Range(min = 0)
            double routerZLossCoef,

            @Doc("In training a router's inputs are multiplied by numbers from 1 - this to 1 + this.")
            @Default("0")
            @Range(min = 0, max = 1, maxExclusive = true)
            double routerJitterNoise)
            implements FeedForwardPart {
        @Override
        public void check(Composition c) {
            if (numExpertsPerTok > numLocalExperts) {
                throw new IllegalArgumentException(
                        "feed_forward: moe: num_experts_per_tok: %d of %d experts; num_local_experts has to be as many"
                                .formatted(numExpertsPerTok, numLocalExperts));
            }
            ExpertParts.check("moe", c);
        }

        @Override
        public int defaultInnerWidth(int hiddenSize) {
            return ExpertParts.innerWidth(hiddenSize, expert);
        }

        @Override
        public Branch branch(BlockSite site) {
            MixtureOfExperts experts = ExpertParts.of(site, numLocalExperts, numExpertsPerTok, expert)
                    .withRouterJitter(routerJitterNoise);
            if (capacityFactor.isPresent()) {
                experts = experts.withCapacity(capacityFactor.get());
            }
            return numSharedExperts == 0
                    ? experts
                    : experts.withShared(ExpertParts.shared(site, numSharedExperts, expert));
        }

        @Override
        public List<Segment> losses(Stack stack, Assembly assembly) {
            return ExpertParts.losses(stack, numExpertsPerTok, routerAuxLossCoef, routerZLossCoef);
        }
    }
}
