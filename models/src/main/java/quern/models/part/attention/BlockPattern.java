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
 * Block-sparse attention (Zaheer et al. 2020, arXiv:2007.14062, "BigBird"): a query sees its own block, {@code num_neighbours}
 * blocks on each side, a decoder's only those before, and the first {@code num_global_blocks}; in an encoder these see every
 * block. Deviation: no random blocks.
 */
public final class BlockPattern implements PartTechnique {
    @Override
    public String kind() {
        return PatternPart.KIND;
    }

    @Override
    public String id() {
        return "block";
    }

    @Override
    public String summary() {
        return "Blocks of positions: its own, neighbours and the first ones (BigBird)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * Its settings.
     *
     * @param blockSize positions of a block
     * @param numNeighbours blocks on each side
     * @param numGlobalBlocks blocks at the start that all see
     */
    public record Config(
            @Doc("Positions of a block.") @Default("64") @Range(min = 1)
            int blockSize,

            @Doc("Blocks that a query sees on each side of its own; in a decoder those before.")
            @Default("1")
            @Range(min = 0)
            int numNeighbours,

            @Doc("Blocks at the start that every query sees.") @Default("1") @Range(min = 0)
            int numGlobalBlocks)
            implements PatternPart {
        @Override
        public void check(Composition c) {
            Patterns.checkStacks("block", c);
            Patterns.checkWithin(
                    "block",
                    "block_size times blocks seen",
                    (long) blockSize * (1 + numNeighbours + numGlobalBlocks),
                    c);
        }

        @Override
        public Mask mask(Mask full, Composition c) {
            return Patterns.sparse(full, new SparsePattern.Blocks(blockSize, numNeighbours, numGlobalBlocks));
        }

        @Override
        public SelfAttention attention(SelfAttention attention, String name, BlockSite site) {
            return attention.withMask(name);
        }
    }
}
