package quern.nn;

import quern.tensor.Autograd;
import quern.tensor.Tensor;

/** A value between segments; the leaf's grad is its cotangent. */
final class Boundary {
    final Tensor leaf;
    final boolean differentiable;
    private boolean closed;

    Boundary(Tensor value, boolean differentiable) {
        leaf = value.detach().keep();
        this.differentiable = differentiable;
        if (differentiable) {
            leaf.requiresGrad_(true);
        }
    }

    Tensor cotangent() {
        Tensor g = leaf.grad();
        return g.isDefined() ? g : null;
    }

    /** Adds a cotangent whose storage the caller may write to later. */
    void add(Tensor cotangent) {
        try (Autograd.Mode mode = Autograd.noGrad()) {
            Tensor g = leaf.grad();
            leaf.setGrad(
                    g.isDefined()
                            ? g.add(cotangent)
                            : cotangent.to(leaf.dtype()).copy());
        }
    }

    /** Adds a cotangent that nobody else holds. */
    void give(Tensor cotangent) {
        Tensor g = leaf.grad();
        leaf.setGrad(g.isDefined() ? g.add(cotangent) : cotangent.to(leaf.dtype()));
    }

    void close() {
        if (!closed) {
            closed = true;
            leaf.setGrad(null);
            leaf.close();
        }
    }
}
