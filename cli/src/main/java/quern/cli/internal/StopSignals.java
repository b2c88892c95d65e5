package quern.cli.internal;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import quern.recipe.ExitCode;

/**
 * Ctrl-C and SIGTERM while something saves before it stops: the first one runs an action, the second ends the process at
 * once with {@link ExitCode#STOPPED}. Closing puts the handlers back.
 *
 * <p>Java's only form of a signal handler is {@code sun.misc.Signal} of the module {@code jdk.unsupported}. The compiler
 * warns about that class wherever it is named and has no switch against it, so it is reached by reflection.
 */
public final class StopSignals implements AutoCloseable {
    private static final String[] NAMES = {"INT", "TERM"};

    private final Map<Object, Object> before = new LinkedHashMap<>();

    private StopSignals() {}

    /** Runs {@code action} at the first signal, on a thread of its own. */
    public static StopSignals first(Runnable action) {
        StopSignals signals = new StopSignals();
        AtomicBoolean seen = new AtomicBoolean();
        Object handler = handler(() -> {
            if (seen.getAndSet(true)) {
                Runtime.getRuntime().halt(ExitCode.STOPPED.code());
            }
            action.run();
        });
        try {
            for (String name : NAMES) {
                Object signal = type("Signal").getConstructor(String.class).newInstance(name);
                signals.before.put(signal, handle(signal, handler));
            }
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("this JDK lacks the module jdk.unsupported", e);
        }
        return signals;
    }

    @Override
    public void close() {
        try {
            for (Map.Entry<Object, Object> signal : before.entrySet()) {
                handle(signal.getKey(), signal.getValue());
            }
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("the signal handlers cannot be put back", e);
        }
    }

    private static Class<?> type(String name) throws ClassNotFoundException {
        return Class.forName("sun.misc." + name);
    }

    private static Object handle(Object signal, Object handler)
            throws ClassNotFoundException, NoSuchMethodException, IllegalAccessException, InvocationTargetException {
        Method handle = type("Signal").getMethod("handle", type("Signal"), type("SignalHandler"));
        return handle.invoke(null, signal, handler);
    }

    private static Object handler(Runnable action) {
        try {
            Class<?> type = type("SignalHandler");
            return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> {
                switch (method.getName()) {
                    case "handle" -> action.run();
                    case "equals" -> {
                        return self == arguments[0];
                    }
                    case "hashCode" -> {
                        return System.identityHashCode(self);
                    }
                    default -> {
                        return "quern's signal handler";
                    }
                }
                return null;
            });
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException("this JDK lacks the module jdk.unsupported", e);
        }
    }
}
