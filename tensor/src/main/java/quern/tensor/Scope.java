package quern.tensor;

import org.bytedeco.javacpp.PointerScope;

/**
 * A lexical lifetime for tensors. Every tensor made by an operator while a scope is open on this thread belongs to the
 * innermost one and is freed when that scope closes; {@link Tensor#keep()} makes a handle that outlives it. Scopes are
 * per thread, nest, and must be closed by the thread that opened them, on platform threads only.
 *
 * <pre>{@code
 * try (Scope scope = Scope.open()) {
 *     loss = model.forward(x).item();
 * }
 * }</pre>
 */
public final class Scope implements AutoCloseable {
    private final PointerScope scope;

    private Scope() {
        Native.load();
        scope = new PointerScope();
    }

    /** Opens a scope inside the thread's current one. */
    public static Scope open() {
        return new Scope();
    }

    @Override
    public void close() {
        scope.close();
    }
}
