package quern.models.part;

import java.util.List;
import quern.nn.Activation;
import quern.nn.Branch;
import quern.nn.Segment;

/** The feed-forward part of a block. */
public interface FeedForwardPart extends ComposedPart {
    /** The key of a recipe. */
    String KIND = "feed_forward";

    /** The inner width where a recipe names none. */
    int defaultInnerWidth(int hiddenSize);

    /** The branch; parameters under {@code BLOCK.mlp}. */
    Branch branch(BlockSite site);

    /** The activation of a head that has one, behind such parts. */
    default Activation headActivation() {
        return Activation.GELU;
    }

    /** Segments after a language model's head: a router's loss. */
    default List<Segment> losses(Stack stack, Assembly assembly) {
        return List.of();
    }
}
