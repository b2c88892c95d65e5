package quern.models.part.sharing;

import java.util.List;
import java.util.stream.IntStream;
import quern.models.part.Assembly;
import quern.models.part.Composition;
import quern.models.part.PartTechnique;
import quern.models.part.SharingPart;
import quern.models.part.Stack;
import quern.nn.Segment;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Neighbouring blocks have the same weights (Lan et al. 2020, arXiv:1909.11942): all of them, or each of several groups. Its
 * factorised embedding is the model's {@code embedding_size}.
 */
public final class Albert implements PartTechnique {
    @Override
    public String kind() {
        return SharingPart.KIND;
    }

    @Override
    public String id() {
        return "albert";
    }

    @Override
    public String summary() {
        return "All blocks, or the blocks of each group, have the same weights (ALBERT)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param numHiddenGroups groups of neighbouring blocks, each with weights of its own
     */
    public record Config(
            @Doc("Groups of neighbouring blocks, each with weights of its own; divides the number of blocks.")
            @Default("1")
            @Range(min = 1)
            int numHiddenGroups)
            implements SharingPart {
        @Override
        public void check(Composition c) {
            Divisions.check(c, "num_hidden_groups", numHiddenGroups);
            if (numHiddenGroups == c.numHiddenLayers()) {
                throw new IllegalArgumentException(
                        "weight_sharing: num_hidden_groups: %d groups of %d blocks share nothing; lower it, or leave weight_sharing out"
                                .formatted(numHiddenGroups, c.numHiddenLayers()));
            }
        }

        @Override
        public List<Segment> blocks(Stack stack, Assembly assembly) {
            SharedBlock block = new SharedBlock(stack, assembly, (name, shared) -> shared);
            int size = stack.layers() / numHiddenGroups;
            return IntStream.range(0, stack.layers())
                    .<Segment>mapToObj(i -> block.visit(i, i / size * size))
                    .toList();
        }
    }
}
