package quern.nn;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import quern.recipe.QuernException;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Grows a network by blocks (Gong et al. 2019, "Efficient Training of BERT by Progressively Stacking"): of a smaller
 * network's blocks 0…L-1, the larger one's block i is a copy of block i mod L, so the new ones lie on top.
 *
 * <p>Deviation from the paper: unless asked for plain copies, a new block begins as the identity, so that the larger
 * network computes what the smaller one did. The slots that write to its residual stream start at zero, or the norm
 * between a branch and the stream where there is one; all else is copied. A slot at zero has a gradient, so it learns
 * from the first step, and what lies before it from the second.
 */
public final class DepthGrowth {
    private DepthGrowth() {}

    /**
     * The larger network's values, by the names of its parameters, in the caller's scope.
     *
     * @param large may be an outline; only its shapes are read
     * @param preserving whether new blocks begin as the identity
     * @throws QuernException bad input where the larger network isn't the smaller one with more blocks, or its blocks
     *     can't begin as the identity
     */
    public static Map<String, Tensor> values(Network small, Network large, boolean preserving) {
        return grow(small, large, preserving, new GrownValues(false));
    }

    /** Whether it can be grown: throws what {@link #values} would, from outlines. */
    public static void check(Network small, Network large, boolean preserving) {
        grow(small, large, preserving, new GrownValues(true));
    }

    private static Map<String, Tensor> grow(Network small, Network large, boolean preserving, GrownValues values) {
        Map<String, List<TransformerBlock>> before = stacks(small);
        Map<String, List<TransformerBlock>> after = stacks(large);
        requireMoreBlocks(before, after);
        requireBlocksOfTheirOwn(large);
        after.forEach((stack, blocks) -> {
            List<TransformerBlock> sources = before.get(stack);
            for (int i = 0; i < blocks.size(); i++) {
                TransformerBlock source = sources.get(i % sources.size());
                Set<String> closed = preserving && i >= sources.size() ? closing(blocks.get(i)) : Set.of();
                copy(source, blocks.get(i), closed, values);
            }
        });
        Map<String, Parameter> others = new LinkedHashMap<>();
        small.parameters().forEach(p -> others.put(p.name(), p));
        for (Segment s : large.segments()) {
            if (s instanceof TransformerBlock) {
                continue;
            }
            for (Parameter p : s.parameters()) {
                if (!values.has(p)) {
                    values.copy(required(others, p), p);
                }
            }
        }
        return values.values();
    }

    private static Parameter required(Map<String, Parameter> all, Parameter wanted) {
        Parameter p = all.get(wanted.name());
        if (p == null) {
            throw QuernException.badInput(
                    "'%s' of the grown model is nothing that the smaller one has; change the number of layers only",
                    wanted.name());
        }
        return p;
    }

    /** The blocks by the stack they stand in: their names without the number at the end. */
    private static Map<String, List<TransformerBlock>> stacks(Network network) {
        Map<String, List<TransformerBlock>> stacks = new LinkedHashMap<>();
        for (Segment s : network.segments()) {
            if (s instanceof TransformerBlock block) {
                stacks.computeIfAbsent(s.name().replaceAll("\\d+$", ""), name -> new ArrayList<>())
                        .add(block);
            }
        }
        return stacks;
    }

    private static void requireMoreBlocks(
            Map<String, List<TransformerBlock>> before, Map<String, List<TransformerBlock>> after) {
        if (!before.keySet().equals(after.keySet())) {
            throw QuernException.badInput(
                    "the smaller model's blocks are %s and the grown one's %s; both must be of one kind",
                    before.keySet(), after.keySet());
        }
        boolean more = false;
        for (String stack : before.keySet()) {
            int had = before.get(stack).size();
            int has = after.get(stack).size();
            if (has < had) {
                throw QuernException.badInput(
                        "growing takes no layers away: the smaller model has %d, the grown one %d; raise their number",
                        had, has);
            }
            more |= has > had;
        }
        if (!more) {
            throw QuernException.badInput(
                    "growing by layers adds none: both models have %s; raise their number, or leave grow out",
                    before.values().stream().map(List::size).toList());
        }
    }

    private static void requireBlocksOfTheirOwn(Network network) {
        Map<String, String> owners = new LinkedHashMap<>();
        for (Segment s : network.segments()) {
            for (Parameter p : s instanceof TransformerBlock ? s.parameters() : List.<Parameter>of()) {
                String other = owners.putIfAbsent(p.name(), s.name());
                if (other != null && !other.equals(s.name())) {
                    throw QuernException.badInput(
                            "blocks '%s' and '%s' share their weights, so more of them are more visits and no new layers; grow in width, or share nothing",
                            other, s.name());
                }
            }
        }
    }

    /** The parameters whose zeros make the block the identity. */
    private static Set<String> closing(TransformerBlock block) {
        Set<String> closed = new HashSet<>();
        for (Residual step : block.steps()) {
            if (!step.isIdentityWithoutBranches()) {
                throw QuernException.badInput(
                        "block '%s' norms the stream itself, so no values make it the identity; use grow: copy, which moves the loss",
                        block.name());
            }
            if (step.outerNorm() != null) {
                step.outerNorm().parameters().forEach(p -> closed.add(p.name()));
                continue;
            }
            for (Branch branch : step.branches()) {
                if (branch.closing().isEmpty()) {
                    throw QuernException.badInput(
                            "block '%s': no zeros make its %s add nothing; use grow: copy, which moves the loss",
                            block.name(), branch.label());
                }
                branch.closing().forEach(p -> closed.add(p.name()));
            }
        }
        return closed;
    }

    private static void copy(TransformerBlock source, TransformerBlock block, Set<String> closed, GrownValues values) {
        List<Parameter> from = source.parameters();
        List<Parameter> to = block.parameters();
        if (from.size() != to.size()) {
            throw QuernException.badInput(
                    "block '%s' has %d parameters and '%s', which it would be a copy of, %d; layers must be alike",
                    block.name(), to.size(), source.name(), from.size());
        }
        Set<String> offsets = new HashSet<>();
        block.steps().stream().map(Residual::outerNorm).forEach(n -> {
            if (n instanceof Norm.OffsetRmsNorm offset) {
                offsets.add(offset.weight().name());
            }
        });
        for (int i = 0; i < from.size(); i++) {
            Parameter p = to.get(i);
            // The factor of this kind of norm is 1 + weight.
            double zero = offsets.contains(p.name()) ? -1 : 0;
            values.put(
                    from.get(i),
                    p,
                    from.get(i).value().shape(),
                    x -> closed.contains(p.name()) ? x.mul(0).add(zero) : x);
        }
    }
}
