package quern.models.part.structure;

import java.util.List;
import quern.models.part.Composition;
import quern.models.part.PartTechnique;
import quern.models.part.Stack;
import quern.models.part.StructurePart;
import quern.nn.Mask;

/**
 * One stack that sees a prefix whole and reads what follows from left to right (Raffel et al. 2020, arXiv:1910.10683, section
 * 3.2.1; Dong et al. 2019, arXiv:1905.03197). {@code prefix_lengths} beside the tokens says how long each row's prefix is; a
 * generation's prompt is its prefix, and a row without one is read from left to right.
 *
 * <p>It is trained by the objectives whose rows have prefixes, {@code prefix_lm} and {@code blank_infilling}. The heads of its other
 * {@linkplain #config tasks} compute on rows without one, but no objective for them says where a prefix ends, so training them is
 * refused.
 */
public final class PrefixLm implements PartTechnique {
    @Override
    public String kind() {
        return StructurePart.KIND;
    }

    @Override
    public String id() {
        return "prefix_lm";
    }

    @Override
    public String summary() {
        return "Sees a prefix whole and reads the rest from left to right (UniLM, T5's prefix LM)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements LeftToRight {
        @Override
        public List<Stack> stacks(Composition c) {
            return List.of(Stack.single(c.numHiddenLayers(), Mask.causalBehindPrefix()));
        }
    }
}
