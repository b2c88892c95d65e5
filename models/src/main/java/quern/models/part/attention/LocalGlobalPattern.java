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
 * A sliding window and global tokens (Beltagy et al. 2020, arXiv:2004.05150, "Longformer"): a query sees the {@code window}
 * nearest keys and the first {@code num_global_tokens} of its text; in an encoder these see every key. Deviation: global tokens
 * have no projections of their own.
 */
public final class LocalGlobalPattern implements PartTechnique {
    @Override
    public String kind() {
        return PatternPart.KIND;
    }

    @Override
    public String id() {
        return "local_global";
    }

    @Override
    public String summary() {
        return "A sliding window and global tokens (Longformer)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * Its settings.
     *
     * @param window keys a query sees, its own among them
     * @param numGlobalTokens tokens at the start that all see
     */
    public record Config(
            @Doc("Keys that a query sees, its own among them; in an encoder as many on each side.")
            @Default("256")
            @Range(min = 1)
            int window,

            @Doc("Tokens at the start that every query sees.") @Default("1") @Range(min = 1)
            int numGlobalTokens)
            implements PatternPart {
        @Override
        public void check(Composition c) {
            Patterns.checkStacks("local_global", c);
            Patterns.checkWithin("local_global", "window and num_global_tokens", (long) window + numGlobalTokens, c);
        }

        @Override
        public Mask mask(Mask full, Composition c) {
            return Patterns.sparse(full, new SparsePattern.Globals(window, numGlobalTokens));
        }

        @Override
        public SelfAttention attention(SelfAttention attention, String name, BlockSite site) {
            return attention.withMask(name);
        }
    }
}
