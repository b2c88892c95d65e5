package quern.optim;

import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;
import quern.tensor.DType;

/**
 * Something that an {@link Optimizer} remembers of each parameter, zero at the start. {@link #like} is an fp32 copy of
 * the parameter's geometry, as moments are; {@link #of} is a tensor of its own shape and dtype, as factored moments,
 * preconditioners and quantised codes are.
 */
public final class StateBuffer {
    private final String name;
    private final DType dtype;
    // Null for the parameter's own shape and memory order.
    private final Function<ParameterState, Optional<long[]>> shape;
    private final Predicate<ParameterState> owner;

    private StateBuffer(
            String name,
            DType dtype,
            Function<ParameterState, Optional<long[]>> shape,
            Predicate<ParameterState> owner) {
        this.name = Objects.requireNonNull(name, "name");
        this.dtype = Objects.requireNonNull(dtype, "dtype");
        this.shape = shape;
        this.owner = owner;
    }

    /** An fp32 buffer in each parameter's shape and memory order. */
    public static StateBuffer like(String name) {
        return like(name, state -> true);
    }

    /** {@link #like(String)} for the parameters that {@code owner} accepts; the others have none. */
    public static StateBuffer like(String name, Predicate<ParameterState> owner) {
        return new StateBuffer(name, DType.FP32, null, Objects.requireNonNull(owner, "owner"));
    }

    /**
     * A contiguous buffer of its own shape. The state that {@code shape} is asked about has its parameter, role, dtype
     * and size, but no buffer yet.
     *
     * @param shape the shape for a parameter ({@code {}} is a scalar), or empty where the parameter has no such buffer
     */
    public static StateBuffer of(String name, DType dtype, Function<ParameterState, Optional<long[]>> shape) {
        Objects.requireNonNull(shape, "shape");
        return new StateBuffer(name, dtype, shape, state -> shape.apply(state).isPresent());
    }

    /** The first part of the name in {@link Optimizer#state()}. */
    public String name() {
        return name;
    }

    /** The dtype. */
    public DType dtype() {
        return dtype;
    }

    boolean hasParametersShape() {
        return shape == null;
    }

    boolean ownedBy(ParameterState state) {
        return owner.test(state);
    }

    long[] shapeFor(ParameterState state) {
        return shape.apply(state).orElseThrow();
    }
}
