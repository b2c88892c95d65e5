package quern.cli;

import java.util.Locale;
import quern.cli.internal.Posix;

/** The program that {@code ./quern} starts. */
public final class Main {
    private Main() {}

    /** Runs one verb and ends the process with its {@link quern.recipe.ExitCode}. */
    public static void main(String[] args) {
        restoreStandardError();
        // Numbers in what is printed and in reports look the same wherever it runs.
        Locale.setDefault(Locale.ROOT);
        System.exit(Quern.execute(args, System.out, System.err));
    }

    /**
     * The launcher keeps the JVM's own notice about the Vector API off the terminal: it starts the JVM with standard
     * error closed off and hands the real one over as a numbered descriptor.
     */
    private static void restoreStandardError() {
        Integer descriptor = Integer.getInteger("quern.stderr");
        if (descriptor != null) {
            Posix.move(descriptor, Posix.STDERR);
        }
    }
}
