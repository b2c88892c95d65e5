package quern.tensor;

/**
 * A named weight: a leaf of autograd that lives until {@link #close()}. The name is Hugging Face's in-memory name. Its
 * gradient is the leaf's grad; it may be fp32 while the value is bf16 ({@link #accumulateInFp32}).
 */
public final class Parameter implements AutoCloseable {
    private final String name;
    private final Tensor value;
    private boolean trainable;
    private boolean closed;
    private double rateFactor = 1;
    /** Whether the gradient lies in memory that {@link #gradBuffer} gave, and that memory between two gradients. */
    private boolean buffered;

    private Tensor spare;

    /** Takes a kept handle on {@code value}, outside any graph. */
    public Parameter(String name, Tensor value) {
        this.name = name;
        try (Scope scope = Scope.open()) {
            this.value = value.detach().keep();
        }
        // Integers, such as packed weights, have no gradient and stay frozen.
        this.trainable = value.dtype().isFloatingPoint();
        this.value.requiresGrad_(trainable);
    }

    /** The name, unique in its model. */
    public String name() {
        return name;
    }

    /** The leaf itself. */
    public Tensor value() {
        return value;
    }

    /** Whether gradients are collected. */
    public boolean isTrainable() {
        return trainable;
    }

    /** Freezes or thaws the parameter; freezing drops its gradient. Integers can't be thawed. */
    public void setTrainable(boolean trainable) {
        if (trainable && !value.dtype().isFloatingPoint()) {
            throw new IllegalArgumentException(
                    "%s is %s; only floating-point parameters can be trained".formatted(name, value));
        }
        this.trainable = trainable;
        if (!trainable) {
            clearGrad();
            dropSpare();
        }
        value.requiresGrad_(trainable);
    }

    /** The factor on an optimizer's rate that the model's parametrization asks for; 1 in most models. */
    public double rateFactor() {
        return rateFactor;
    }

    /** Asks for a factor on an optimizer's rate. */
    public void setRateFactor(double factor) {
        if (!(factor > 0) || Double.isInfinite(factor)) {
            throw new IllegalArgumentException(name + ": a rate can't be multiplied by " + factor);
        }
        this.rateFactor = factor;
    }

    /** The gradient collected so far; undefined when there is none. Belongs to the open scope. */
    public Tensor grad() {
        return value.grad();
    }

    /** Adds {@code g}, of this shape, to the gradient, in the gradient's own dtype. */
    public void addGrad(Tensor g) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            Tensor grad = value.grad();
            if (grad.isDefined()) {
                Accumulate.add(grad, g);
            } else {
                value.setGrad(g.dtype() == value.dtype() ? g.copy() : g.to(value.dtype()));
            }
        }
    }

    /** Drops the gradient and its memory. */
    public void clearGrad() {
        value.setGrad(null);
        buffered = false;
    }

    /**
     * Drops the gradient, but keeps its memory for the next where {@link #gradBuffer} gave it: a large gradient whose memory
     * is free for a while would come back to find it taken in part.
     */
    public void recycleGrad() {
        try (Scope scope = Scope.open()) {
            Tensor grad = value.grad();
            if (buffered && grad.isDefined() && grad.dtype() == DType.FP32) {
                dropSpare();
                spare = grad.keep();
            }
        }
        clearGrad();
    }

    /**
     * An fp32 tensor of the value's shape to write a gradient into, its content undefined. A kept handle that the caller closes,
     * also when it becomes the gradient.
     */
    public Tensor gradBuffer() {
        try (Scope scope = Scope.open()) {
            buffered |= !value.grad().isDefined();
            Tensor buffer = spare;
            spare = null;
            return buffer != null
                    ? buffer
                    : Tensor.empty(DType.FP32, value.device(), value.shape()).keep();
        }
    }

    /** Takes back what {@link #gradBuffer} gave, for the next time; the caller's handle goes with it. */
    public void returnGradBuffer(Tensor buffer) {
        dropSpare();
        spare = buffer;
    }

    private void dropSpare() {
        if (spare != null) {
            spare.close();
            spare = null;
        }
    }

    /**
     * Gives the parameter a zeroed fp32 gradient that later backward passes add to, or zeroes the one it has: what
     * several micro-batches need when the weight has fewer bits.
     */
    public void accumulateInFp32() {
        try (Scope scope = Scope.open()) {
            Tensor grad = value.grad();
            if (grad.isDefined() && grad.dtype() == DType.FP32) {
                grad.zero_();
            } else {
                value.setGrad(Tensor.zeros(DType.FP32, value.device(), value.shape()));
            }
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            clearGrad();
            dropSpare();
            value.close();
        }
    }

    @Override
    public String toString() {
        return name + " " + value;
    }
}
