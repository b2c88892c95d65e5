package quern.nn;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Products;
import quern.tensor.Tensor;
import quern.tensor.kernel.BlockActivation;
import quern.tensor.kernel.DecoderBlockKernel;
import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.KernelThreads;
import quern.tensor.kernel.Kernels;

/**
 * The hand-written form of the standard decoder blocks, GPT-2's and Llama's: two pre-norm steps, attention and a feed-forward
 * part, computed by {@link DecoderBlockKernel}. It takes fp32 and bf16 blocks on the CPU, dense, without dropout, whole sequences
 * or {@link DocumentBorders documents} behind a plain causal mask; everything else takes the block's plain form, which is its oracle.
 */
final class FusedBlock implements HandWritten {
    /**
     * The share of the Java heap that the arrays of a block may take: its weights twice, each thread's gradients, and each
     * thread's queries, keys and values of a sequence.
     */
    private static final double HEAP_SHARE = 0.125;

    /** A sequence's queries, keys and values, their gradients, panels of them. */
    private static final long SEQUENCE_ARRAYS = 4;

    /** With fewer numbers in the residual stream libtorch's operators cost little, and the kernels' loops stay cold. */
    private static final long SMALLEST = 1 << 14;

    /** Where libtorch has fast bf16 products, wider bf16 blocks are better off with them. */
    private static final long WIDEST_BESIDE_FAST_BF16 = 256;

    private static final Map<Activation, BlockActivation> ACTIVATIONS = Map.of(
            Activation.GELU_TANH, BlockActivation.GELU_TANH,
            Activation.SILU, BlockActivation.SILU,
            Activation.RELU, BlockActivation.RELU);

    /** The slots of a block in the kernel's order. */
    private record Parts(
            Norm attentionNorm,
            List<DenseLinear> inputs,
            DenseLinear output,
            Norm feedForwardNorm,
            List<DenseLinear> ups,
            DenseLinear down) {
        List<Parameter> parameters() {
            List<Parameter> all = new ArrayList<>(attentionNorm.parameters());
            inputs.forEach(slot -> all.addAll(slot.parameters()));
            all.addAll(output.parameters());
            all.addAll(feedForwardNorm.parameters());
            ups.forEach(slot -> all.addAll(slot.parameters()));
            all.addAll(down.parameters());
            return all;
        }
    }

    private final DecoderBlockKernel.Shape shape;
    private final Parts parts;

    private FusedBlock(DecoderBlockKernel.Shape shape, Parts parts) {
        this.shape = shape;
        this.parts = parts;
    }

    /** The form for a block of these steps in this call, if it has one and the call is large enough for it to pay. */
    static Optional<HandWritten> of(List<Residual> steps, Flow flow, Pass pass) {
        boolean taken = switch (FusedSetting.current()) {
            case ALWAYS -> true;
            case NEVER -> false;
            case FASTER -> isFaster(flow.get("hidden_states"));
        };
        return taken ? ofAnySize(steps, flow, pass) : Optional.empty();
    }

    private static boolean isFaster(Tensor x) {
        boolean slowProducts = x.dtype() == DType.FP32 || !Products.isBf16Fast();
        return x.numel() >= SMALLEST && (slowProducts || x.size(-1) <= WIDEST_BESIDE_FAST_BF16);
    }

    /** As above, whatever is faster. */
    static Optional<HandWritten> ofAnySize(List<Residual> steps, Flow flow, Pass pass) {
        Tensor x = flow.get("hidden_states");
        if (!Kernels.available()
                || pass.cache() != null
                || steps.size() != 2
                || x.device().isCuda()
                || !isFusible(x)
                || !(steps.get(0).plainPreNorm(pass) instanceof Residual.PreNorm first)
                || !(steps.get(1).plainPreNorm(pass) instanceof Residual.PreNorm second)
                || !(first.branch() instanceof SelfAttention attention)
                || !(second.branch() instanceof FeedForward feedForward)
                || !(attention.plain(pass) instanceof SelfAttention.Plain plain)
                || !feedForward.isPlain(pass)
                || !ACTIVATIONS.containsKey(feedForward.activation())) {
            return Optional.empty();
        }
        Optional<Parts> parts = parts(first.norm(), attention, second.norm(), feedForward);
        if (parts.isEmpty()) {
            return Optional.empty();
        }
        DecoderBlockKernel.Shape shape = shape(plain.shape(), feedForward, parts.get());
        boolean rotaryFits = !shape.rotary() || isWholeRotary(flow, x.size(1), shape.headWidth());
        DocumentBorders documents = DocumentBorders.of(flow);
        long longest = documents == null ? x.size(1) : documents.longest();
        boolean fits = rotaryFits
                && shape.scale() > 0
                && parts.get().parameters().stream().allMatch(p -> fits(p, x.dtype()))
                && arrayBytes(parts.get(), longest)
                        <= HEAP_SHARE * Runtime.getRuntime().maxMemory()
                // Last, since it reads all of the mask.
                && isCausal(flow.get(plain.mask()), longest);
        return fits ? Optional.of(new FusedBlock(shape, parts.get())) : Optional.empty();
    }

    private static long arrayBytes(Parts parts, long length) {
        long weights =
                parts.parameters().stream().mapToLong(p -> p.value().numel()).sum();
        long mapped = parts.inputs.stream().mapToLong(DenseLinear::outFeatures).sum();
        long threads = KernelThreads.count();
        return Float.BYTES * (weights * (2 + threads) + threads * length * mapped * SEQUENCE_ARRAYS);
    }

    private static boolean isFusible(Tensor x) {
        return x.numel() > 0 && (x.dtype() == DType.FP32 || x.dtype() == DType.BF16);
    }

    private static boolean fits(Parameter p, DType dtype) {
        return p.value().dtype() == dtype && p.value().isContiguous();
    }

    private static Optional<Parts> parts(
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
        return Optional.of(new Parts(
                attentionNorm,
                inputs.get(),
                output.get().getFirst(),
                feedForwardNorm,
                ups.get(),
                down.get().getFirst()));
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

    private static DecoderBlockKernel.Shape shape(SelfAttention.Shape attention, FeedForward feedForward, Parts parts) {
        int inner = (int) parts.down.inFeatures();
        return new DecoderBlockKernel.Shape(
                (int) parts.output.outFeatures(),
                attention.heads(),
                attention.keyValueHeads(),
                attention.headWidth(),
                attention.scale(),
                attention.rotary(),
                parts.attentionNorm instanceof Norm.LayerNorm,
                eps(parts.attentionNorm),
                eps(parts.feedForwardNorm),
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

    private static boolean isWholeRotary(Flow flow, long t, int headWidth) {
        Tensor cos = flow.get("rotary_cos");
        return cos.dim() == 2 && cos.size(0) == t && 2 * cos.size(1) == headWidth && cos.isContiguous();
    }

    /** Whether an additive mask is [T, T] and hides exactly the later keys. */
    private static boolean isCausal(Tensor mask, long t) {
        if (mask.dim() != 2
                || mask.size(0) != t
                || mask.size(1) != t
                || mask.requiresGrad()
                || !mask.isContiguous()
                || !(mask.dtype() == DType.FP32 || mask.dtype() == DType.BF16)) {
            return false;
        }
        MemorySegment memory = mask.memory();
        boolean wide = mask.dtype() == DType.FP32;
        long at = 0;
        for (long row = 0; row < t; row++) {
            for (long column = 0; column < t; column++, at++) {
                float value = wide
                        ? memory.get(ValueLayout.JAVA_FLOAT_UNALIGNED, at * 4)
                        : Float.intBitsToFloat(memory.get(ValueLayout.JAVA_SHORT_UNALIGNED, at * 2) << 16);
                if (value != (column > row ? Float.NEGATIVE_INFINITY : 0f)) {
                    return false;
                }
            }
        }
        return true;
    }

    @Override
    public Backward forward(Flow flow, Pass pass) {
        Tensor x = flow.get("hidden_states").contiguous();
        Visit visit = new Visit(shape, parts, x, flow);
        Tensor y = Tensor.empty(x.dtype(), x.device(), x.shape());
        try {
            DecoderBlockKernel.forward(shape, weights(parts, FusedBlock::value), visit.activations(), y.memory());
        } catch (RuntimeException e) {
            visit.close();
            throw e;
        }
        flow.put("hidden_states", y);
        return visit;
    }

    private interface Memory {
        MemorySegment of(Parameter p);
    }

    private static MemorySegment value(Parameter p) {
        return p.value().memory();
    }

    private static DecoderBlockKernel.Weights weights(Parts p, Memory memory) {
        return new DecoderBlockKernel.Weights(
                norm(p.attentionNorm, memory),
                p.inputs.stream().map(slot -> slot(slot, memory)).toList(),
                slot(p.output, memory),
                norm(p.feedForwardNorm, memory),
                p.ups.stream().map(slot -> slot(slot, memory)).toList(),
                slot(p.down, memory));
    }

    private static DecoderBlockKernel.Slot slot(DenseLinear form, Memory memory) {
        return new DecoderBlockKernel.Slot(
                memory.of(form.weight()), form.bias() == null ? null : memory.of(form.bias()), (int)
                        form.outFeatures());
    }

    private static DecoderBlockKernel.NormSlot norm(Norm norm, Memory memory) {
        List<Parameter> p = norm.parameters();
        return new DecoderBlockKernel.NormSlot(memory.of(p.get(0)), p.size() == 1 ? null : memory.of(p.get(1)));
    }

    /** What the backward of one visit needs. */
    private static final class Visit implements Backward {
        private final DecoderBlockKernel.Shape shape;
        private final Parts parts;
        private final List<Tensor> held = new ArrayList<>();
        private final int[] starts;
        private final boolean ownAngles;
        private final Tensor x;
        private final Tensor qkv;
        private final Tensor attended;
        private final Tensor middle;
        private final Tensor inner;
        private final Tensor cos;
        private final Tensor sin;
        private final Map<Parameter, Tensor> gradients = new LinkedHashMap<>();

        Visit(DecoderBlockKernel.Shape shape, Parts parts, Tensor x, Flow flow) {
            this.shape = shape;
            this.parts = parts;
            this.x = hold(x);
            DocumentBorders documents = DocumentBorders.of(flow);
            ownAngles = documents != null;
            starts = documents == null
                    ? DecoderBlockKernel.starts((int) x.size(0), (int) x.size(1))
                    : documents.starts();
            long queries = (long) shape.heads() * shape.headWidth();
            long keys = (long) shape.keyValueHeads() * shape.headWidth();
            qkv = hold(like(queries + 2 * keys));
            attended = hold(like(queries));
            middle = hold(like(shape.width()));
            inner = hold(like(shape.gated() ? 2L * shape.inner() : shape.inner()));
            cos = shape.rotary() ? hold(flow.get("rotary_cos")) : null;
            sin = shape.rotary() ? hold(flow.get("rotary_sin")) : null;
        }

        private Tensor hold(Tensor t) {
            Tensor kept = t.keep();
            held.add(kept);
            return kept;
        }

        private Tensor like(long width) {
            return Tensor.empty(x.dtype(), x.device(), x.size(0), x.size(1), width);
        }

        DecoderBlockKernel.Activations activations() {
            return new DecoderBlockKernel.Activations(
                    x.dtype() == DType.FP32 ? ElementType.FP32 : ElementType.BF16,
                    starts,
                    x.memory(),
                    qkv.memory(),
                    attended.memory(),
                    middle.memory(),
                    inner.memory(),
                    ownAngles,
                    cos == null ? null : cos.memory(),
                    sin == null ? null : sin.memory());
        }

        @Override
        public void input(Cotangents cotangents) {
            Tensor dy = cotangents.ofOutput("hidden_states").to(x.dtype()).contiguous();
            Tensor dx = Tensor.empty(x.dtype(), x.device(), x.shape());
            Map<Parameter, Tensor> sums = accumulators();
            boolean added = !sums.isEmpty();
            for (Parameter p : parts.parameters()) {
                if (p.isTrainable() && !added) {
                    gradients.put(
                            p,
                            Tensor.empty(DType.FP32, x.device(), p.value().shape())
                                    .keep());
                }
            }
            DecoderBlockKernel.backward(
                    shape,
                    weights(parts, FusedBlock::value),
                    activations(),
                    dy.memory(),
                    dx.memory(),
                    new DecoderBlockKernel.Scratch(
                            like(middle.size(-1)).memory(),
                            like(attended.size(-1)).memory(),
                            like(qkv.size(-1)).memory()),
                    weights(parts, p -> {
                        Tensor gradient = added ? sums.get(p) : gradients.get(p);
                        return gradient == null ? null : gradient.memory();
                    }),
                    added);
            if (cotangents.wanted("hidden_states")) {
                cotangents.addToInput("hidden_states", dx);
            }
        }

        /**
         * The gradients of earlier micro-batches, where all of the block's can be added to in place: no memory is needed for
         * this one's. Else none.
         */
        private Map<Parameter, Tensor> accumulators() {
            Map<Parameter, Tensor> sums = new LinkedHashMap<>();
            for (Parameter p : parts.parameters()) {
                if (p.isTrainable()) {
                    Tensor sum = p.grad();
                    if (!sum.isDefined() || sum.dtype() != DType.FP32 || !sum.isContiguous()) {
                        return Map.of();
                    }
                    sums.put(p, sum);
                }
            }
            return sums;
        }

        @Override
        public void weight() {
            gradients.forEach((p, gradient) -> {
                if (!p.grad().isDefined() && p.value().dtype() == gradient.dtype()) {
                    p.value().setGrad(gradient);
                } else {
                    p.addGrad(gradient);
                }
            });
        }

        @Override
        public void close() {
            held.forEach(Tensor::close);
            gradients.values().forEach(Tensor::close);
        }
    }
}
