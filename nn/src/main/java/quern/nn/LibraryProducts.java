package quern.nn;

import java.util.List;
import java.util.function.Function;
import quern.tensor.Accumulate;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Products;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.DecoderBlockKernel;
import quern.tensor.kernel.DecoderBlockRows;

/**
 * A decoder block whose matrix products are libtorch's, all rows at once, with {@link DecoderBlockRows} between them: what
 * pays where libtorch has matrix tiles, or where a block's weights are too large for arrays. Products are made in
 * the dtype that {@link Products} says, with sums in fp32; weight gradients are handed on in fp32.
 *
 * <p>N tokens, D width, Q queries' and K keys' features, U up features (F inner ones, or 2F where gated).
 */
final class LibraryProducts {
    private final DecoderBlockKernel.Shape shape;
    private final BlockParts parts;
    private final DecoderBlockKernel.Activations activations;
    private final DecoderBlockKernel.Weights weights;
    private final Tensor qkv_NM;
    private final Tensor attended_NQ;
    private final Tensor inner_NU;
    private final DType dtype;

    /** One visit's; the tensors are the activations' that take part in products. */
    LibraryProducts(
            DecoderBlockKernel.Shape shape,
            BlockParts parts,
            DecoderBlockKernel.Activations activations,
            Tensor qkv,
            Tensor attended,
            Tensor inner) {
        this.shape = shape;
        this.parts = parts;
        this.activations = activations;
        weights = parts.weights(p -> p.value().memory());
        qkv_NM = rows(qkv);
        attended_NQ = rows(attended);
        inner_NU = rows(inner);
        dtype = Products.dtype(qkv.dtype(), qkv.device());
    }

    private static Tensor rows(Tensor x) {
        return x.view(x.numel() / x.size(-1), x.size(-1));
    }

    private static Tensor like(Tensor x, long width) {
        return Tensor.empty(x.dtype(), x.device(), x.size(0), width);
    }

    /** {@code out = a·b}, in the dtype that is fastest. */
    private void multiply(Tensor out, Tensor a, Tensor b) {
        if (out.dtype() == dtype) {
            out.mmOut_(a, b);
        } else {
            out.copy_(a.to(dtype).matmul(b.to(dtype)));
        }
    }

    /** The slots' weights one below another. */
    private static Tensor joined(List<DenseLinear> slots) {
        List<Tensor> values = slots.stream().map(s -> s.weight().value()).toList();
        return values.size() == 1 ? values.getFirst() : Tensor.cat(values, 0);
    }

    /** Computes y [B, T, D] and the activations on the way. */
    void forward(Tensor y) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad();
                DecoderBlockRows block = DecoderBlockRows.take(shape)) {
            Tensor y_ND = rows(y);
            Tensor h_ND = like(y_ND, y_ND.size(1));
            block.normInputs(activations, weights.attentionNorm(), h_ND.memory());
            multiply(qkv_NM, h_ND, joined(parts.inputs()).t());
            block.biasInputs(activations, weights.inputs());
            block.attend(activations);
            multiply(h_ND, attended_NQ, parts.output().weight().value().t());
            block.middle(activations, h_ND.memory(), weights.output(), weights.feedForwardNorm(), h_ND.memory());
            multiply(inner_NU, h_ND, joined(parts.ups()).t());
            Tensor hidden_NF = like(y_ND, shape.inner());
            block.activate(activations, weights.ups(), hidden_NF.memory());
            multiply(y_ND, hidden_NF, parts.down().weight().value().t());
            block.finish(activations, y_ND.memory(), weights.down());
        }
    }

    /**
     * The gradients, given that of y.
     *
     * @param scratch the memory of {@code dMiddle}, {@code dAttended} and {@code dQkv}
     * @param to where a weight's gradient goes, fp32, or null where it is not wanted
     * @param targets the memory of these
     * @param added whether gradients are added to what is there
     */
    void backward(
            Tensor dy,
            Tensor dx,
            Tensor dMiddle,
            Tensor dAttended,
            Tensor dQkv,
            DecoderBlockKernel.Scratch scratch,
            Function<Parameter, Tensor> to,
            DecoderBlockKernel.Weights targets,
            boolean added) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad();
                DecoderBlockRows block = DecoderBlockRows.take(shape)) {
            Tensor dy_ND = rows(dy);
            Tensor dMiddle_ND = rows(dMiddle);
            Tensor dAttended_NQ = rows(dAttended);
            Tensor dQkv_NM = rows(dQkv);
            Tensor h_ND = like(dy_ND, dy_ND.size(1));
            try (Scope feedForward = Scope.open()) {
                Tensor hidden_NF = like(dy_ND, shape.inner());
                Tensor dInner_NU = like(dy_ND, inner_NU.size(1));
                multiply(hidden_NF, dy_ND, parts.down().weight().value());
                block.activateBackward(activations, hidden_NF.memory(), dInner_NU.memory());
                weightGradients(List.of(parts.down()), dy_ND, hidden_NF, to, added);
                block.biasGradients(activations, dy_ND.memory(), List.of(targets.down()), added);
                block.normMiddle(activations, weights.feedForwardNorm(), h_ND.memory());
                weightGradients(parts.ups(), dInner_NU, h_ND, to, added);
                block.biasGradients(activations, dInner_NU.memory(), targets.ups(), added);
                multiply(h_ND, dInner_NU, joined(parts.ups()));
            }
            block.normMiddleBackward(
                    activations,
                    weights.feedForwardNorm(),
                    h_ND.memory(),
                    dy_ND.memory(),
                    dMiddle_ND.memory(),
                    targets.feedForwardNorm(),
                    added);
            weightGradients(List.of(parts.output()), dMiddle_ND, attended_NQ, to, added);
            block.biasGradients(activations, dMiddle_ND.memory(), List.of(targets.output()), added);
            multiply(dAttended_NQ, dMiddle_ND, parts.output().weight().value());
            block.attendBackward(activations, scratch);
            block.normInputs(activations, weights.attentionNorm(), h_ND.memory());
            weightGradients(parts.inputs(), dQkv_NM, h_ND, to, added);
            block.biasGradients(activations, dQkv_NM.memory(), targets.inputs(), added);
            multiply(h_ND, dQkv_NM, joined(parts.inputs()));
            block.normInputsBackward(
                    activations,
                    weights.attentionNorm(),
                    h_ND.memory(),
                    dMiddle_ND.memory(),
                    rows(dx).memory(),
                    targets.attentionNorm(),
                    added);
        }
    }

    /** dᵀ·in for each slot's columns of d. */
    private void weightGradients(
            List<DenseLinear> slots, Tensor d, Tensor in, Function<Parameter, Tensor> to, boolean added) {
        long first = 0;
        for (DenseLinear slot : slots) {
            Tensor gradient = to.apply(slot.weight());
            if (gradient != null) {
                try (Scope scope = Scope.open()) {
                    Tensor dT = d.narrow(1, first, slot.outFeatures()).t();
                    if (dtype != DType.FP32) {
                        Tensor product = Tensor.empty(dtype, d.device(), slot.outFeatures(), slot.inFeatures());
                        product.mmOut_(dT, in);
                        if (added) {
                            Accumulate.add(gradient, product);
                        } else {
                            gradient.copy_(product);
                        }
                    } else if (added) {
                        gradient.addmm_(dT.to(dtype), in.to(dtype));
                    } else {
                        gradient.mmOut_(dT.to(dtype), in.to(dtype));
                    }
                }
            }
            first += slot.outFeatures();
        }
    }
}
