package quern.nn;

import java.util.List;
import quern.tensor.Tensor;

/** Where a visit's graph is cut by a {@link HandWrittenOperator}: it ends at the inputs and goes on from a leaf, the result. */
final class GraphCut implements AutoCloseable {
    private final List<Tensor> inputs;
    private final HandWrittenOperator.Computed computed;
    private final Tensor leaf;

    GraphCut(List<Tensor> inputs, HandWrittenOperator.Computed computed) {
        this.inputs = inputs.stream().map(Tensor::keep).toList();
        this.computed = computed;
        this.leaf = computed.result().detach().keep();
        leaf.requiresGrad_(true);
    }

    /** What the graph goes on from. */
    Tensor leaf() {
        return leaf;
    }

    /** What the graph before the cut ended in. */
    List<Tensor> inputs() {
        return inputs;
    }

    /** The cotangents of the inputs, given that of the leaf. */
    List<Tensor> backward(Tensor cotangent) {
        return computed.backward(cotangent);
    }

    @Override
    public void close() {
        computed.close();
        inputs.forEach(Tensor::close);
        leaf.setGrad(null);
        leaf.close();
    }
}
