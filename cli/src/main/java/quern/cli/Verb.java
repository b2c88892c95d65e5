package quern.cli;

import java.util.concurrent.Callable;
import quern.recipe.ExitCode;

/**
 * One word of the command line: a small class with picocli's {@code @Command}, a public constructor without arguments
 * and a line in {@code META-INF/services/quern.cli.Verb}, whose order is the order of the help text. Constructing it
 * loads no native library. A failure is thrown as {@link quern.recipe.QuernException}; {@link Quern} prints it.
 */
public interface Verb extends Callable<Integer> {
    /** Does the work. */
    ExitCode run() throws Exception;

    @Override
    default Integer call() throws Exception {
        return run().code();
    }
}
