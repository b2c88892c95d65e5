package quern.nn;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Tensor;
import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.Kernels;
import quern.tensor.kernel.RowNormKernel;

/**
 * The hand-written form of a segment that is one learned norm of {@code hidden_states}, fp32 or bf16 on the CPU. The plain form
 * is its oracle.
 */
final class FusedNorm implements HandWritten {
    private final Norm norm;

    private FusedNorm(Norm norm) {
        this.norm = norm;
    }

    /** The form for a norm in this call, if it has one and the call is large enough for it to pay. */
    static Optional<HandWritten> of(Norm norm, Flow flow) {
        Tensor x = flow.get("hidden_states");
        boolean fits = FusedSetting.current() != FusedSetting.NEVER
                && Kernels.available()
                && BlockParts.isLearned(norm)
                && !x.device().isCuda()
                && (x.dtype() == DType.FP32 || x.dtype() == DType.BF16)
                && x.numel() > 0
                && (FusedSetting.current() != FusedSetting.FASTER || x.numel() >= FusedBlock.SMALLEST)
                && norm.parameters().stream()
                        .allMatch(
                                p -> p.value().dtype() == x.dtype() && p.value().isContiguous());
        return fits ? Optional.of(new FusedNorm(norm)) : Optional.empty();
    }

    @Override
    public Backward forward(Flow flow, Pass pass) {
        Tensor x = flow.get("hidden_states").contiguous();
        Tensor y = Tensor.empty(x.dtype(), x.device(), x.shape());
        RowNormKernel.forward(shape(x), BlockParts.norm(norm, p -> p.value().memory()), x.memory(), y.memory());
        flow.put("hidden_states", y);
        return new Visit(x.keep(), pass.visitMemory());
    }

    private RowNormKernel.Shape shape(Tensor x) {
        long width = x.size(-1);
        return new RowNormKernel.Shape(
                norm instanceof Norm.LayerNorm,
                BlockParts.eps(norm),
                x.dtype() == DType.FP32 ? ElementType.FP32 : ElementType.BF16,
                Math.toIntExact(x.numel() / width),
                Math.toIntExact(width));
    }

    /** What the backward of one visit needs. */
    private final class Visit implements Backward {
        private final Tensor x;
        private final VisitMemory memory;
        private WeightGradients gradients = new WeightGradients();

        Visit(Tensor x, VisitMemory memory) {
            this.x = x;
            this.memory = memory;
        }

        @Override
        public void input(Cotangents cotangents) {
            Tensor dy = cotangents.ofOutput("hidden_states").to(x.dtype()).contiguous();
            Tensor dx = memory.emptyLike(x);
            gradients = new WeightGradients(norm.parameters(), memory);
            RowNormKernel.backward(
                    shape(x),
                    BlockParts.norm(norm, p -> p.value().memory()),
                    x.memory(),
                    dy.memory(),
                    null,
                    dx.memory(),
                    BlockParts.norm(norm, this::target),
                    gradients.areAdded());
            if (cotangents.wanted("hidden_states")) {
                cotangents.addToInput("hidden_states", dx);
            }
        }

        private MemorySegment target(Parameter p) {
            Tensor of = gradients.of(p);
            return of == null ? null : of.memory();
        }

        @Override
        public void weight() {
            gradients.give();
        }

        @Override
        public void close() {
            x.close();
            gradients.close();
        }
    }
}
