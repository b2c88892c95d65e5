package quern.models.part.attention;

import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.PartTechnique;
import quern.models.part.PatternPart;
import quern.nn.Mask;
import quern.nn.SelfAttention;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * A sliding window (Beltagy et al. 2020, arXiv:2004.05150; Jiang et al. 2023, arXiv:2310.06825): a query sees the {@code window}
 * nearest keys, its own among them; an encoder's as many on each side. In generation a layer keeps no more than its window.
 */
public final class LocalPattern implements PartTechnique {
    @Override
    public String kind() {
        return PatternPart.KIND;
    }

    @Override
    public String id() {
        return "local";
    }

    @Override
    public String summary() {
        return "A sliding window: the nearest keys (Longformer, Mistral)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * Its settings.
     *
     * @param window keys a query sees, its own among them
     */
    public record Config(
            @Doc("Keys that a query sees, its own among them; in an encoder as many on each side.")
            @Default("256")
            @Range(min = 1)
            int window)
            implements PatternPart {
        @Override
        public void check(Composition c) {
            Patterns.checkStacks("local", c);
            Patterns.checkWithin("local", "window", window, c);
        }

        @Override
        public Mask mask(Mask full, Composition c) {
            return full.ahead() ? Mask.bidirectional(window - 1) : Mask.slidingWindow(window);
        }

        @Override
        public SelfAttention attention(SelfAttention attention, String name, BlockSite site) {
            return site.stack().mask().ahead() ? attention.withMask(name) : attention.withSlidingWindow(name, window);
        }
    }
}
