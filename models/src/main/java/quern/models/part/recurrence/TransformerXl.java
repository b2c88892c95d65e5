package quern.models.part.recurrence;

import java.util.Optional;
import quern.models.part.Assembly;
import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.PartTechnique;
import quern.models.part.RecurrencePart;
import quern.models.part.Stack;
import quern.nn.Branch;
import quern.nn.MemoryLayout;
import quern.nn.Segment;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Transformer-XL (Dai et al. 2019, arXiv:1901.02860): each layer's attention reaches into what it was given for the tokens
 * before, over the borders of rows of training. Its relative positions have the paper's two biases. Every token sees as many
 * tokens before it as the memory is long.
 */
public final class TransformerXl implements PartTechnique {
    @Override
    public String kind() {
        return RecurrencePart.KIND;
    }

    @Override
    public String id() {
        return "transformer_xl";
    }

    @Override
    public String summary() {
        return "A memory of each layer's past inputs, with relative positions (Transformer-XL)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param memoryLength how many tokens before it a token sees
     */
    public record Config(
            @Doc("How many tokens before it a token sees.") @Default("128") @Range(min = 1)
            int memoryLength) implements RecurrencePart {
        @Override
        public void check(Composition c) {
            MemoryParts.check("transformer_xl", c);
        }

        private MemoryLayout layout() {
            return MemoryLayout.uncompressed(memoryLength);
        }

        @Override
        public Optional<Branch> branch(BlockSite site) {
            return Optional.of(MemoryParts.attention(site, layout(), null));
        }

        @Override
        public Optional<Segment> memories(Stack stack, Assembly assembly) {
            return Optional.of(MemoryParts.memories(assembly, layout()));
        }

        @Override
        public boolean isEndless() {
            return true;
        }
    }
}
