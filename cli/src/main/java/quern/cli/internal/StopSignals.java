package quern.cli.internal;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import quern.recipe.ExitCode;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * Ctrl-C and SIGTERM while something saves before it stops: the first one runs an action, the second ends the process at
 * once with {@link ExitCode#STOPPED}. Closing puts the handlers back.
 */
public final class StopSignals implements AutoCloseable {
    private final Map<Signal, SignalHandler> before = new LinkedHashMap<>();

    private StopSignals() {}

    /** Runs {@code action} at the first signal. */
    public static StopSignals first(Runnable action) {
        StopSignals signals = new StopSignals();
        AtomicBoolean seen = new AtomicBoolean();
        SignalHandler handler = signal -> {
            if (seen.getAndSet(true)) {
                Runtime.getRuntime().halt(ExitCode.STOPPED.code());
            }
            action.run();
        };
        for (String name : new String[] {"INT", "TERM"}) {
            Signal signal = new Signal(name);
            signals.before.put(signal, Signal.handle(signal, handler));
        }
        return signals;
    }

    @Override
    public void close() {
        new ArrayList<>(before.entrySet()).forEach(e -> Signal.handle(e.getKey(), e.getValue()));
    }
}
