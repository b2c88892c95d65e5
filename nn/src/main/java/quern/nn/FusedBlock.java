package quern.nn;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Products;
import quern.tensor.Tensor;
import quern.tensor.kernel.DecoderBlockKernel;
import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.KernelThreads;
import quern.tensor.kernel.Kernels;
import quern.tensor.kernel.Sequences;

/**
 * The hand-written form of the standard decoder blocks, GPT-2's and Llama's: two pre-norm steps, attention and a feed-forward
 * part. It takes fp32 and bf16 blocks on the CPU, dense, without dropout, whole sequences or {@link DocumentBorders documents}
 * behind a plain causal mask; everything else takes the block's plain form, which is its oracle. The matrix products are those
 * of {@link DecoderBlockKernel}, or libtorch's ({@link LibraryProducts}) where these are faster or the arrays of the former
 * would be too large.
 */
final class FusedBlock implements HandWritten {
    /**
     * The share of the Java heap that the arrays of a block may take: its weights, each thread's gradients, each thread's
     * rows of a tile, and its queries, keys and values of a sequence.
     */
    private static final double HEAP_SHARE = 0.125;

    /** A sequence's queries, keys and values, their gradients, panels of them. */
    private static final long SEQUENCE_ARRAYS = 4;

    /** With fewer numbers in the residual stream libtorch's operators cost little, and the kernels' loops stay cold. */
    static final long SMALLEST = 1 << 14;

    /** Where libtorch has fast bf16 products, wider bf16 blocks are better off with them. */
    private static final long WIDEST_BESIDE_FAST_BF16 = 256;

    /** Whose matrix products a block takes. */
    enum By {
        KERNELS,
        LIBRARY
    }

    private final DecoderBlockKernel.Shape shape;
    private final BlockParts parts;
    private final By by;

    private FusedBlock(DecoderBlockKernel.Shape shape, BlockParts parts, By by) {
        this.shape = shape;
        this.parts = parts;
        this.by = by;
    }

    /** The form for a block of these steps in this call, if it has one and the call is large enough for it to pay. */
    static Optional<HandWritten> of(List<Residual> steps, Flow flow, Pass pass) {
        boolean taken = switch (FusedSetting.current()) {
            case ALWAYS, LIBRARY -> true;
            case NEVER -> false;
            case FASTER -> flow.get("hidden_states").numel() >= SMALLEST;
        };
        Optional<By> by = FusedSetting.current() == FusedSetting.LIBRARY ? Optional.of(By.LIBRARY) : Optional.empty();
        return taken ? ofAnySize(steps, flow, pass, by) : Optional.empty();
    }

    /** As above, however small; {@code by} asks for certain products. */
    static Optional<HandWritten> ofAnySize(List<Residual> steps, Flow flow, Pass pass, Optional<By> by) {
        Tensor x = flow.get("hidden_states");
        if (!Kernels.available()
                || pass.attention() == AttentionImplementation.EAGER
                || pass.cache() != null
                || x.device().isCuda()
                || !isFusible(x)) {
            return Optional.empty();
        }
        Optional<BlockParts> parts = BlockParts.of(steps, pass).filter(BlockParts::isUniform);
        if (parts.isEmpty()) {
            return Optional.empty();
        }
        DecoderBlockKernel.Shape shape = parts.get().shape();
        boolean rotaryFits = !shape.rotary()
                || isWholeRotary(flow.get("rotary_cos"), x, shape.headWidth())
                        && isWholeRotary(flow.get("rotary_sin"), x, shape.headWidth());
        DocumentBorders documents = DocumentBorders.withPrefixes(flow);
        long longest = documents == null ? x.size(1) : documents.longest();
        // Where documents go on from others, a lane has a share of the heads of all tokens.
        long rows = documents != null && documents.sharePrefixes() ? Math.max(longest, x.size(1)) : longest;
        boolean fits = rotaryFits
                && shape.scale() > 0
                && (documents == null || documents.tokens() == x.size(1))
                && parts.get().parameters().stream().allMatch(p -> fits(p, x.dtype()))
                // Last, since it reads all of the mask.
                && isCausal(parts.get().plain().mask(), flow, pass, longest);
        return fits
                ? Optional.of(new FusedBlock(shape, parts.get(), by.orElseGet(() -> faster(x, parts.get(), rows))))
                : Optional.empty();
    }

    private static By faster(Tensor x, BlockParts parts, long rows) {
        boolean fastLibrary = x.dtype() == DType.BF16 && Products.isBf16Fast() && x.size(-1) > WIDEST_BESIDE_FAST_BF16;
        boolean tooLarge =
                arrayBytes(parts, rows) > HEAP_SHARE * Runtime.getRuntime().maxMemory();
        return fastLibrary || tooLarge ? By.LIBRARY : By.KERNELS;
    }

    private static long arrayBytes(BlockParts parts, long length) {
        long weights =
                parts.parameters().stream().mapToLong(p -> p.value().numel()).sum();
        long mapped =
                parts.inputs().stream().mapToLong(DenseLinear::outFeatures).sum();
        long threads = KernelThreads.count();
        long ofThread = parts.shape().tileFloats() + length * mapped * SEQUENCE_ARRAYS;
        return Float.BYTES * (weights * (1 + threads) + threads * ofThread);
    }

    private static boolean isFusible(Tensor x) {
        return x.numel() > 0 && (x.dtype() == DType.FP32 || x.dtype() == DType.BF16);
    }

    private static boolean fits(Parameter p, DType dtype) {
        return p.value().dtype() == dtype && p.value().isContiguous();
    }

    private static boolean isWholeRotary(Tensor table, Tensor x, int headWidth) {
        return table.dim() == 2
                && table.dtype() == x.dtype()
                && table.size(0) == x.size(1)
                && 2 * table.size(1) == headWidth
                && table.isContiguous();
    }

    /** Whether exactly the later keys are hidden; a mask that nobody described must be read. */
    private static boolean isCausal(String mask, Flow flow, Pass pass, long t) {
        Tensor tensor = flow.get(mask);
        CallMask known = pass.mask(mask);
        return known != null && known.describes(tensor)
                ? known.isPlainCausal() && known.queries() == t
                : isCausal(tensor, t);
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
        return forward(flow, pass, true);
    }

    @Override
    public void infer(Flow flow, Pass pass) {
        forward(flow, pass, by == By.LIBRARY).close();
    }

    private Visit forward(Flow flow, Pass pass, boolean kept) {
        Tensor x = flow.get("hidden_states").contiguous();
        VisitMemory memory = kept ? pass.visitMemory() : VisitMemory.NONE;
        Tensor y = memory.emptyLike(x);
        Visit visit = new Visit(memory);
        boolean done = false;
        try {
            visit.begin(x, flow, kept);
            visit.forward(y);
            done = true;
        } finally {
            if (!done) {
                visit.close();
            }
        }
        flow.put("hidden_states", y);
        return visit;
    }

    /** What the backward of one visit needs. */
    private final class Visit implements Backward {
        private final VisitMemory memory;
        private final List<Tensor> held = new ArrayList<>();
        private Sequences sequences;
        private boolean ownAngles;
        private Tensor x;
        private Tensor qkv;
        private Tensor attended;
        private Tensor middle;
        private Tensor inner;
        private Tensor cos;
        private Tensor sin;
        private WeightGradients gradients = new WeightGradients();

        Visit(VisitMemory memory) {
            this.memory = memory;
        }

        void begin(Tensor x, Flow flow, boolean kept) {
            this.x = hold(x);
            DocumentBorders documents = DocumentBorders.withPrefixes(flow);
            ownAngles = documents != null;
            sequences = documents == null ? Sequences.of((int) x.size(0), (int) x.size(1)) : documents.sequences();
            long queries = (long) shape.heads() * shape.headWidth();
            long keys = (long) shape.keyValueHeads() * shape.headWidth();
            List<long[]> shapes = new ArrayList<>(List.of(like(queries + 2 * keys), like(queries)));
            if (kept) {
                shapes.add(like(shape.width()));
                shapes.add(like(shape.gated() ? 2L * shape.inner() : shape.inner()));
            }
            List<Tensor> made = memory.empty(x.dtype(), x.device(), shapes);
            qkv = hold(made.get(0));
            attended = hold(made.get(1));
            if (kept) {
                middle = hold(made.get(2));
                inner = hold(made.get(3));
            }
            cos = shape.rotary() ? hold(flow.get("rotary_cos")) : null;
            sin = shape.rotary() ? hold(flow.get("rotary_sin")) : null;
        }

        private Tensor hold(Tensor t) {
            Tensor kept = t.keep();
            held.add(kept);
            return kept;
        }

        private long[] like(long width) {
            return new long[] {x.size(0), x.size(1), width};
        }

        DecoderBlockKernel.Activations activations() {
            return new DecoderBlockKernel.Activations(
                    x.dtype() == DType.FP32 ? ElementType.FP32 : ElementType.BF16,
                    sequences,
                    x.memory(),
                    qkv.memory(),
                    attended.memory(),
                    middle == null ? null : middle.memory(),
                    inner == null ? null : inner.memory(),
                    ownAngles,
                    cos == null ? null : cos.memory(),
                    sin == null ? null : sin.memory());
        }

        void forward(Tensor y) {
            switch (by) {
                case KERNELS ->
                    DecoderBlockKernel.forward(
                            shape, parts.weights(p -> p.value().memory()), activations(), y.memory());
                case LIBRARY -> products().forward(y);
            }
        }

        private LibraryProducts products() {
            return new LibraryProducts(shape, parts, activations(), qkv, attended, inner);
        }

        @Override
        public void input(Cotangents cotangents) {
            Tensor dy = cotangents.ofOutput("hidden_states").to(x.dtype()).contiguous();
            Tensor dx = memory.emptyLike(x);
            gradients = new WeightGradients(parts.parameters(), memory);
            boolean added = gradients.areAdded();
            Function<Parameter, Tensor> to = gradients::of;
            DecoderBlockKernel.Weights targets =
                    parts.weights(p -> to.apply(p) == null ? null : to.apply(p).memory());
            List<Tensor> between =
                    memory.empty(x.dtype(), x.device(), List.of(middle.shape(), attended.shape(), qkv.shape()));
            Tensor dMiddle = between.get(0);
            Tensor dAttended = between.get(1);
            Tensor dQkv = between.get(2);
            DecoderBlockKernel.Scratch scratch =
                    new DecoderBlockKernel.Scratch(dMiddle.memory(), dAttended.memory(), dQkv.memory());
            switch (by) {
                case KERNELS ->
                    DecoderBlockKernel.backward(
                            shape,
                            parts.weights(p -> p.value().memory()),
                            activations(),
                            dy.memory(),
                            dx.memory(),
                            scratch,
                            targets,
                            added);
                case LIBRARY -> products().backward(dy, dx, dMiddle, dAttended, dQkv, scratch, to, targets, added);
            }
            if (cotangents.wanted("hidden_states")) {
                cotangents.addToInput("hidden_states", dx);
            }
        }

        @Override
        public void weight() {
            gradients.give();
        }

        @Override
        public void close() {
            held.forEach(Tensor::close);
            gradients.close();
        }
    }
}
