package quern.cli.internal;

import quern.cli.ProgressLine;
import quern.cli.Terminal;
import quern.curate.DatasetDistillation;

/** Shows on standard error how the learning of rows goes. */
public final class DistillationDisplay implements DatasetDistillation.Progress, AutoCloseable {
    private final Terminal terminal = Terminal.stderr();
    private ProgressLine line;
    private volatile boolean stop;

    /** Asks for a stop after the present round. */
    public void requestStop() {
        note("stopping after this round and saving; press Ctrl-C again to stop at once");
        stop = true;
    }

    @Override
    public synchronized void step(long step, long steps, double loss) {
        if (line == null) {
            line = new ProgressLine(terminal, "distill", step - 1, steps);
        }
        line.update(step, loss, Double.NaN, 0);
    }

    @Override
    public synchronized void note(String text) {
        if (line == null) {
            terminal.out().println(text);
        } else {
            line.println(text);
        }
    }

    @Override
    public boolean stopRequested() {
        return stop;
    }

    @Override
    public synchronized void close() {
        if (line != null) {
            line.close();
            line = null;
        }
    }
}
