package quern.tensor;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** libtorch's autograd: gradient mode of this thread, and the two ways to walk a graph backward. */
public final class Autograd {
    private Autograd() {}

    /** Restores the gradient mode that was set before. */
    public interface Mode extends AutoCloseable {
        @Override
        void close();
    }

    /** Operators of this thread record no graph until the result is closed. */
    public static Mode noGrad() {
        return set(false);
    }

    /** Operators of this thread record a graph until the result is closed. */
    public static Mode enableGrad() {
        return set(true);
    }

    private static Mode set(boolean enabled) {
        Native.load();
        boolean before = GradMode.is_enabled();
        GradMode.set_enabled(enabled);
        return () -> GradMode.set_enabled(before);
    }

    /** Whether operators of this thread record a graph. */
    public static boolean isEnabled() {
        Native.load();
        return GradMode.is_enabled();
    }

    /**
     * Walks the graph of {@code outputs} backward from {@code cotangents} (same shapes and dtypes) and adds to the
     * {@link Tensor#grad() grad} of every leaf. Frees the graph.
     */
    public static void backward(List<Tensor> outputs, List<Tensor> cotangents) {
        backward(outputs, cotangents, false);
    }

    /** As above; with {@code retainGraph} the graph stays for another walk. */
    public static void backward(List<Tensor> outputs, List<Tensor> cotangents, boolean retainGraph) {
        Native.call(
                "backward",
                () -> {
                    torch.backward(
                            vector(outputs),
                            vector(cotangents),
                            new BoolOptional(retainGraph),
                            false,
                            new TensorVector());
                    return null;
                },
                outputs.toArray(Tensor[]::new));
    }

    /**
     * The gradients of {@code outputs}, seeded with {@code cotangents}, with respect to {@code inputs}; an undefined
     * tensor ({@link Tensor#isDefined()}) where an input was not used. Nothing is added to any leaf's grad.
     *
     * @param retainGraph keep the graph for another walk
     * @param createGraph record the backward pass itself, for second order
     */
    public static List<Tensor> grad(
            List<Tensor> outputs,
            List<Tensor> inputs,
            List<Tensor> cotangents,
            boolean retainGraph,
            boolean createGraph) {
        return Native.call(
                "grad",
                () -> {
                    TensorVector grads = torch.grad(
                            vector(outputs),
                            vector(inputs),
                            vector(cotangents),
                            new BoolOptional(retainGraph),
                            createGraph,
                            true);
                    List<Tensor> result = new ArrayList<>(inputs.size());
                    for (int i = 0; i < inputs.size(); i++) {
                        // get(i) borrows from the vector; the copy is a handle of its own.
                        result.add(new Tensor(new org.bytedeco.pytorch.Tensor(grads.get(i))));
                    }
                    return result;
                },
                outputs.toArray(Tensor[]::new));
    }

    static TensorVector vector(List<Tensor> tensors) {
        org.bytedeco.pytorch.Tensor[] raw = new org.bytedeco.pytorch.Tensor[tensors.size()];
        for (int i = 0; i < raw.length; i++) {
            raw[i] = tensors.get(i).raw();
        }
        return new TensorVector(raw);
    }
}
