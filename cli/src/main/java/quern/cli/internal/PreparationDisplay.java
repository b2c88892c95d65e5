package quern.cli.internal;

import java.util.Locale;
import quern.cli.Terminal;
import quern.data.corpus.CorpusPreparation;

/** Shows a corpus being prepared: a line a stage, and on a terminal one that moves below them. */
public final class PreparationDisplay implements CorpusPreparation.Watcher, AutoCloseable {
    private static final String ERASE = "\r\u001b[K";
    private static final long PLAIN_NANOS = 15_000_000_000L;

    private final Terminal terminal;
    private boolean painted;
    private long told = System.nanoTime();

    /** Shows it here. */
    public PreparationDisplay(Terminal terminal) {
        this.terminal = terminal;
    }

    @Override
    public synchronized void note(String line) {
        erase();
        terminal.out().println(line);
        terminal.out().flush();
        told = System.nanoTime();
    }

    @Override
    public synchronized void progress(String stage, int index, int stages, double share, long documents) {
        String line = String.format(
                Locale.ROOT, "%s (%d/%d) %.0f%%  %,d documents", stage, index + 1, stages, 100 * share, documents);
        if (terminal.interactive()) {
            terminal.out().print(ERASE + line.substring(0, Math.min(line.length(), terminal.columns() - 1)));
            terminal.out().flush();
            painted = true;
        } else if (System.nanoTime() - told > PLAIN_NANOS) {
            terminal.out().println(line);
            terminal.out().flush();
            told = System.nanoTime();
        }
    }

    private void erase() {
        if (painted) {
            terminal.out().print(ERASE);
            painted = false;
        }
    }

    @Override
    public synchronized void close() {
        erase();
        terminal.out().flush();
    }
}
