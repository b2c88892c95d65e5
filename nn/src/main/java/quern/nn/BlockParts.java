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

/** The norms and dense slots of a decoder block in the kernels' order. */
record BlockParts(
        Norm attentionNorm,
        List<DenseLinear> inputs,
        DenseLinear output,
        Norm feedForwardNorm,
        List<DenseLinear> ups,
        DenseLinear down) {
    private static final Map<Activation, BlockActivation> ACTIVATIONS = Map.of(
            Activation.GELU_TANH, BlockActivation.GELU_TANH,
            Activation.SILU, BlockActivation.SILU,
            Activation.RELU, BlockActivation.RELU);

    /** Those of a block, if all its slots are dense and its norms learned and of one kind. */
    static Optional<BlockParts> of(
            Norm attentionNorm, SelfAttention attention, Norm feedForwardNorm, FeedForward feedForward) {
        List<Linear> linears = attention.linears();
        Optional<List<DenseLinear>> inputs = dense(linears.subList(0, linears.size() - 1));
        Optional<List<DenseLinear>> output = dense(List.of(linears.getLast()));
        List<Linear> forward = feedForward.linears();
        Optional<List<DenseLinear>> ups = dense(forward.subList(0, forward.size() - 1));
        Optional<List<DenseLinear>> down = dense(List.of(forward.getLast()));
        if (inputs.isEmpty()
                || output.isEmpty()
                || ups.isEmpty()
                || down.isEmpty()
                || !isLearned(attentionNorm)
                || !isLearned(feedForwardNorm)
                || attentionNorm.getClass() != feedForwardNorm.getClass()) {
            return Optional.empty();
        }
        BlockParts parts = new BlockParts(
                attentionNorm,
                inputs.get(),
                output.get().getFirst(),
                feedForwardNorm,
                ups.get(),
                down.get().getFirst());
        List<Parameter> all = parts.parameters();
        // A weight in two slots has one gradient, and the kernels write one for each.
        return all.size() == Set.copyOf(all).size() ? Optional.of(parts) : Optional.empty();
    }

    private static boolean isLearned(Norm norm) {
        return switch (norm) {
            case Norm.LayerNorm n -> n.weight() != null && n.weight().value().dim() == 1;
            case Norm.RmsNorm n -> true;
            default -> false;
        };
    }

    /** The slots' forms, if all are dense and agree on having biases. */
    private static Optional<List<DenseLinear>> dense(List<Linear> slots) {
        List<DenseLinear> result = new ArrayList<>();
        for (Linear slot : slots) {
            if (!(slot.form() instanceof DenseLinear form)
                    || !result.isEmpty()
                            && (form.bias() == null) != (result.getFirst().bias() == null)) {
                return Optional.empty();
            }
            result.add(form);
        }
        return Optional.of(result);
    }

    /** Whether the kernels have this activation. */
    static boolean knows(Activation activation) {
        return ACTIVATIONS.containsKey(activation);
    }

    /** What the block is, for the kernels. */
    DecoderBlockKernel.Shape shape(SelfAttention.Shape attention, FeedForward feedForward) {
        int inner = (int) down.inFeatures();
        return new DecoderBlockKernel.Shape(
                (int) output.outFeatures(),
                attention.heads(),
                attention.keyValueHeads(),
                attention.headWidth(),
                attention.scale(),
                attention.rotary(),
                attentionNorm instanceof Norm.LayerNorm,
                eps(attentionNorm),
                eps(feedForwardNorm),
                inner,
                feedForward.isGated(),
                ACTIVATIONS.get(feedForward.activation()));
    }

    private static double eps(Norm norm) {
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

    private static DecoderBlockKernel.Slot slot(DenseLinear form, Function<Parameter, MemorySegment> memory) {
        return new DecoderBlockKernel.Slot(
                memory.apply(form.weight()), form.bias() == null ? null : memory.apply(form.bias()), (int)
                        form.outFeatures());
    }

    private static DecoderBlockKernel.NormSlot norm(Norm norm, Function<Parameter, MemorySegment> memory) {
        List<Parameter> p = norm.parameters();
        return new DecoderBlockKernel.NormSlot(memory.apply(p.get(0)), p.size() == 1 ? null : memory.apply(p.get(1)));
    }
}
