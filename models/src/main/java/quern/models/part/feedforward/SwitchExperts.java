package quern.models.part.feedforward;

import java.util.List;
import quern.models.part.Assembly;
import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.FeedForwardPart;
import quern.models.part.PartTechnique;
import quern.models.part.Stack;
import quern.nn.Branch;
import quern.nn.Segment;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Switch Transformer's experts (Fedus et al. 2021, arXiv:2101.03961): each token goes to the one that its router finds most
 * likely, weighed by that probability, as long as the expert has room. {@code intermediate_size} is the width inside one expert.
 */
public final class SwitchExperts implements PartTechnique {
    @Override
    public String kind() {
        return FeedForwardPart.KIND;
    }

    @Override
    public String id() {
        return "switch";
    }

    @Override
    public String summary() {
        return "A mixture of experts, each token to the most likely one while it has room (Switch)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings; defaults are the paper's.
     *
     * @param numLocalExperts experts in a block
     * @param expert what an expert computes
     * @param capacityFactor how many times its even share of tokens an expert takes in training
     * @param routerAuxLossCoef the factor on the loss that balances experts
     * @param routerZLossCoef the factor on the routers' z-loss
     * @param routerJitterNoise in training a router's inputs are multiplied by numbers from 1 - this to 1 + this
     */
    public record Config(
            @Doc("Experts in a block.") @Default("8") @Range(min = 1)
            int numLocalExperts,

            @Doc("What an expert computes: relu, gelu, geglu or swiglu.") @Default("relu")
            ExpertKind expert,

            @Doc("How many times its even share of tokens an expert takes in training; tokens above that are dropped.")
            @Default("1.25")
            @Range(min = 0, minExclusive = true)
            double capacityFactor,

            @Doc("The factor on the loss that balances experts.") @Default("0.01") @Range(min = 0)
            double routerAuxLossCoef,

            @Doc("The factor on the routers' z-loss.") @Default("0") @Range(min = 0)
            double routerZLossCoef,

            @Doc("In training a router's inputs are multiplied by numbers from 1 - this to 1 + this.")
            @Default("0.01")
            @Range(min = 0, max = 1, maxExclusive = true)
            double routerJitterNoise)
            implements FeedForwardPart {
        @Override
        public void check(Composition c) {
            ExpertParts.check("switch", c);
        }

        @Override
        public int defaultInnerWidth(int hiddenSize) {
            return ExpertParts.innerWidth(hiddenSize, expert);
        }

        @Override
        public Branch branch(BlockSite site) {
            return ExpertParts.of(site, numLocalExperts, 1, expert)
                    .withOwnProbabilities()
                    .withCapacity(capacityFactor)
                    .withRouterJitter(routerJitterNoise);
        }

        @Override
        public List<Segment> losses(Stack stack, Assembly assembly) {
            return ExpertParts.losses(stack, 1, routerAuxLossCoef, routerZLossCoef);
        }
    }
}
