package quern.nn;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import quern.tensor.Parameter;
import quern.tensor.kernel.BlockActivation;
import quern.tensor.kernel.DecoderBlockKernel;

/** A decoder block as the kernels take it: its plain attention and feed-forward part, its norms and its dense slots in order. */
record BlockParts(
        SelfAttention attention,
        SelfAttention.Plain plain,
        Norm attentionNorm,
        List<DenseLinear> inputs,
        DenseLinear output,
        FeedForward feedForward,
        Norm feedForwardNorm,
        List<DenseLinear> ups,
        DenseLinear down) {
    private static final Map<Activation, BlockActivation> ACTIVATIONS = Map.of(
            Activation.GELU_TANH, BlockActivation.GELU_TANH,
            Activation.SILU, BlockActivation.SILU,
            Activation.RELU, BlockActivation.RELU);

    /** Those of two pre-norm steps, attention and a feed-forward part, that are plain in this pass, dense and of one norm. */
    static Optional<BlockParts> of(List<Residual> steps, Pass pass) {
        if (steps.size() != 2
                || !(steps.get(0).plainPreNorm(pass) instanceof Residual.PreNorm first)
                || !(steps.get(1).plainPreNorm(pass) instanceof Residual.PreNorm second)
                || !(first.branch() instanceof SelfAttention attention)
                || !(second.branch() instanceof FeedForward feedForward)
                || !(attention.plain(pass) instanceof SelfAttention.Plain plain)
                || !feedForward.isPlain(pass)
                || !ACTIVATIONS.containsKey(feedForward.activation())
                || !isLearned(first.norm())
                || !isLearned(second.norm())
                || first.norm().getClass() != second.norm().getClass()) {
            return Optional.empty();
        }
        List<DenseLinear> inner = dense(attention.linears());
        List<DenseLinear> outer = dense(feedForward.linears());
        if (inner.isEmpty() || outer.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(new BlockParts(
                attention,
                plain,
                first.norm(),
                inner.subList(0, inner.size() - 1),
                inner.getLast(),
                feedForward,
                second.norm(),
                outer.subList(0, outer.size() - 1),
                outer.getLast()));
    }

    /**
     * Whether slots of one input agree on having biases, and no parameter stands in two slots: it has one gradient, and the
     * kernels write one for each slot.
     */
    boolean isUniform() {
        List<Parameter> all = parameters();
        return agree(inputs) && agree(ups) && all.size() == Set.copyOf(all).size();
    }

    private static boolean agree(List<DenseLinear> slots) {
        return slots.stream().map(slot -> slot.bias() == null).distinct().count() == 1;
    }

    /** Whether a norm has a weight of one dimension. */
    static boolean isLearned(Norm norm) {
        return switch (norm) {
            case Norm.LayerNorm n -> n.weight() != null && n.weight().value().dim() == 1;
            case Norm.RmsNorm n -> true;
            default -> false;
        };
    }

    /** The slots' forms, or an empty list when one isn't dense. */
    private static List<DenseLinear> dense(List<Linear> slots) {
        List<DenseLinear> result = new ArrayList<>();
        for (Linear slot : slots) {
            if (!(slot.form() instanceof DenseLinear form)) {
                return List.of();
            }
            result.add(form);
        }
        return result;
    }

    /** What the block is, for the kernels. */
    DecoderBlockKernel.Shape shape() {
        SelfAttention.Shape heads = plain.shape();
        return new DecoderBlockKernel.Shape(
                (int) output.outFeatures(),
                heads.heads(),
                heads.keyValueHeads(),
                heads.headWidth(),
                heads.scale(),
                heads.rotary(),
                attentionNorm instanceof Norm.LayerNorm,
                eps(attentionNorm),
                eps(feedForwardNorm),
                (int) down.inFeatures(),
                feedForward.isGated(),
                ACTIVATIONS.get(feedForward.activation()));
    }

    /** The small number that a learned norm adds to the variance. */
    static double eps(Norm norm) {
        return switch (norm) {
            case Norm.LayerNorm n -> n.eps();
            case Norm.RmsNorm n -> n.eps();
            default -> throw new IllegalArgumentException("not a norm of this block");
        };
    }

    /** All parameters. */
    List<Parameter> parameters() {
        List<Parameter> all = new ArrayList<>(attentionNorm.parameters());
        inputs.forEach(slot -> all.addAll(slot.parameters()));
        all.addAll(output.parameters());
        all.addAll(feedForwardNorm.parameters());
        ups.forEach(slot -> all.addAll(slot.parameters()));
        all.addAll(down.parameters());
        return all;
    }

    /** The memory of the parameters, or of something that each has. */
    DecoderBlockKernel.Weights weights(Function<Parameter, MemorySegment> memory) {
        return new DecoderBlockKernel.Weights(
                norm(attentionNorm, memory),
                inputs.stream().map(slot -> slot(slot, memory)).toList(),
                slot(output, memory),
                norm(feedForwardNorm, memory),
                ups.stream().map(slot -> slot(slot, memory)).toList(),
                slot(down, memory));
    }

    /** A slot's memory, or that of something that its parameters have. */
    static DecoderBlockKernel.Slot slot(DenseLinear form, Function<Parameter, MemorySegment> memory) {
        return new DecoderBlockKernel.Slot(
                memory.apply(form.weight()), form.bias() == null ? null : memory.apply(form.bias()), (int)
                        form.outFeatures());
    }

    /** Likewise a norm's. */
    static DecoderBlockKernel.NormSlot norm(Norm norm, Function<Parameter, MemorySegment> memory) {
        List<Parameter> p = norm.parameters();
        return new DecoderBlockKernel.NormSlot(memory.apply(p.get(0)), p.size() == 1 ? null : memory.apply(p.get(1)));
    }
}
