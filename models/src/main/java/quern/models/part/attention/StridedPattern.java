package quern.models.part.attention;

import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.PartTechnique;
import quern.models.part.PatternPart;
import quern.nn.Mask;
import quern.nn.SelfAttention;
import quern.nn.SparsePattern;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * The strided pattern of sparse transformers (Child et al. 2019, arXiv:1904.10509): the {@code stride} nearest keys and every key
 * at a multiple of {@code stride}, both in each head. A query sees about stride + T/stride keys, fewest at a stride near √T.
 */
public final class StridedPattern implements PartTechnique {
    @Override
    public String kind() {
        return PatternPart.KIND;
    }

    @Override
    public String id() {
        return "strided";
    }

    @Override
    public String summary() {
        return "The nearest keys and every stride-th one (sparse transformers)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * Its settings.
     *
     * @param stride the nearest keys, and the distance of the others
     */
    public record Config(
            @Doc("How many of the nearest keys a query sees, and the distance between the others.")
            @Default("128")
            @Range(min = 1)
            int stride)
            implements PatternPart {
        @Override
        public void check(Composition c) {
            Patterns.checkStacks("strided", c);
            Patterns.checkWithin("strided", "stride", stride, c);
        }

        @Override
        public Mask mask(Mask full, Composition c) {
            return Patterns.sparse(full, new SparsePattern.Strided(stride));
        }

        @Override
        public SelfAttention attention(SelfAttention attention, String name, BlockSite site) {
            return attention.withMask(name);
        }
    }
}
