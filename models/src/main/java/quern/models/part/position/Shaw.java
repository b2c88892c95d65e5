package quern.models.part.position;

import quern.models.part.Assembly;
import quern.models.part.BlockSite;
import quern.models.part.InitializationPart.Role;
import quern.models.part.PartTechnique;
import quern.models.part.PositionPart;
import quern.nn.RelativeVectors;
import quern.nn.SelfAttention;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** Learnt vectors by distance, clipped on both sides, added to keys and to values (Shaw et al. 2018, arXiv:1803.02155): a table
 * of each for every block, shared by its heads. */
public final class Shaw implements PartTechnique {
    @Override
    public String kind() {
        return PositionPart.KIND;
    }

    @Override
    public String id() {
        return "shaw";
    }

    @Override
    public String summary() {
        return "Shaw: learnt vectors by clipped distance, added to keys and to values";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param maxRelativePosition the paper's k: distances beyond it are taken for it
     */
    public record Config(
            @Doc("The distance beyond which all are alike.") @Default("16") @Range(min = 1)
            int maxRelativePosition) implements PositionPart {
        @Override
        public SelfAttention attention(SelfAttention attention, BlockSite site) {
            Assembly a = site.assembly();
            String name = site.name() + ".self_attn";
            int rows = Math.addExact(Math.multiplyExact(2, maxRelativePosition), 1);
            int width = site.config().headWidth();
            return attention.withRelative(new RelativeVectors(
                    a.table(Role.DISTANCES, name + ".relative_k", rows, width),
                    a.table(Role.DISTANCES, name + ".relative_v", rows, width)));
        }
    }
}
