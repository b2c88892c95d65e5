package quern.models.part.sharing;

import java.util.LinkedHashMap;
import java.util.Map;
import quern.models.Weights;
import quern.models.part.Assembly;
import quern.models.part.Stack;
import quern.nn.DenseLinear;
import quern.nn.Linear;
import quern.nn.TransformerBlock;

/**
 * Builds the blocks of a stack of which some are visits of one and the same: each visit is a segment of its own, with its
 * own place in a cache, mask and random streams, and the weights of the first one. So a slot that is changed is changed for
 * all visits.
 */
final class SharedBlock {
    /** Fills a visit's slot. */
    interface Slots {
        /** The slot called {@code name}, whose weights are those of {@code shared}. */
        Linear of(String name, Linear shared);
    }

    private final Stack stack;
    private final Assembly assembly;
    private final Slots slots;
    private final Map<String, Linear> shared = new LinkedHashMap<>();

    SharedBlock(Stack stack, Assembly assembly, Slots slots) {
        this.stack = stack;
        this.assembly = assembly;
        this.slots = slots;
    }

    /** Block {@code layer}, whose weights are those of block {@code owner}. */
    TransformerBlock visit(int layer, int owner) {
        String own = stack.block(layer) + ".";
        String first = stack.block(owner) + ".";
        Weights.Reuse reuse = new Weights.Reuse() {
            @Override
            public String owner(String name) {
                return name.startsWith(own) && !name.contains(Recursive.LOW_RANK)
                        ? first + name.substring(own.length())
                        : name;
            }

            @Override
            public Linear slot(String name, String owner, DenseLinear dense) {
                return slots.of(name, shared.computeIfAbsent(owner, n -> new Linear(n, dense)));
            }
        };
        return assembly.weights().reusing(reuse, () -> assembly.block(stack, stack.block(layer), layer));
    }
}
