package quern.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.Properties;
import java.util.ServiceLoader;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.Suggestion;

/**
 * The command line as a whole: finds the verbs, holds the options that all of them share, and turns every failure into
 * one line on standard error and the documented exit code.
 */
@Command(
        name = "quern",
        description = "Trains, adapts and examines language models.",
        versionProvider = Quern.Version.class,
        mixinStandardHelpOptions = true,
        scope = ScopeType.INHERIT,
        usageHelpAutoWidth = true,
        synopsisSubcommandLabel = "VERB",
        footer = {
            "",
            "Exit codes: 0 done; 1 failed; 2 bad usage, recipe or input; 3 refused to go on; 130 stopped and saved.",
            "'quern VERB --help' tells more about a verb."
        })
public final class Quern implements Runnable {
    @Option(names = "--debug", scope = ScopeType.INHERIT, description = "Print the stack trace of a failure.")
    private boolean debug;

    @Spec
    private CommandSpec spec;

    private Quern() {}

    /** The command line with all verbs, as completion and tests need it. Colours are off. */
    public static CommandLine commandLine() {
        Quern root = new Quern();
        CommandLine line = new CommandLine(root);
        for (Verb verb : ServiceLoader.load(Verb.class)) {
            line.addSubcommand(verb);
        }
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setExecutionExceptionHandler((e, command, parsed) -> report(e, root.debug, command.getErr()));
        line.setParameterExceptionHandler((e, arguments) -> usage(e, root.debug));
        line.setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF));
        return line;
    }

    /** Runs the verb that {@code arguments} name; the exit code is the answer, nothing is thrown. */
    public static int execute(String[] arguments, PrintStream out, PrintStream err) {
        CommandLine line = commandLine();
        PrintWriter errors = new PrintWriter(err, true, StandardCharsets.UTF_8);
        line.setOut(new PrintWriter(out, true, StandardCharsets.UTF_8));
        line.setErr(errors);
        if (Terminal.stdout().colour()) {
            line.setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.ON));
        }
        try {
            return line.execute(arguments);
        } catch (StackOverflowError | OutOfMemoryError | LinkageError | AssertionError e) {
            return report(e, ((Quern) line.getCommand()).debug, errors);
        } finally {
            out.flush();
            err.flush();
        }
    }

    @Override
    public void run() {
        spec.commandLine().usage(spec.commandLine().getOut());
    }

    private static int usage(ParameterException e, boolean debug) {
        CommandLine command = e.getCommandLine();
        PrintWriter err = command.getErr();
        if (debug) {
            e.printStackTrace(err);
        }
        if (e instanceof UnmatchedArgumentException unmatched
                && command.getParent() == null
                && !unmatched.isUnknownOption()) {
            err.println("quern: error: " + unknownVerb(unmatched.getUnmatched().getFirst(), command));
        } else {
            err.println("quern: error: " + oneLine(e.getMessage()));
            UnmatchedArgumentException.printSuggestions(e, err);
        }
        err.println("Try '" + command.getCommandSpec().qualifiedName() + " --help'.");
        return ExitCode.BAD_INPUT.code();
    }

    private static String unknownVerb(String word, CommandLine command) {
        return "unknown verb '" + oneLine(word) + "'"
                + Suggestion.nearest(word, command.getSubcommands().keySet())
                        .map(verb -> " (did you mean '" + verb + "'?)")
                        .orElse("");
    }

    private static int report(Throwable failure, boolean debug, PrintWriter err) {
        if (debug) {
            failure.printStackTrace(err);
        }
        Throwable e = failure instanceof UncheckedIOException unchecked && unchecked.getCause() != null
                ? unchecked.getCause()
                : failure;
        if (e instanceof QuernException known) {
            err.println("quern: error: " + oneLine(known.getMessage()));
            return known.exitCode().code();
        }
        String hint = debug ? "" : " (--debug prints where)";
        err.println("quern: error: " + oneLine(describe(e)) + hint);
        return ExitCode.FAILED.code();
    }

    private static String describe(Throwable e) {
        return switch (e) {
            case NoSuchFileException missing -> missing.getMessage() + ": no such file or folder";
            case AccessDeniedException denied -> denied.getMessage() + ": permission denied";
            case FileSystemException system -> system.getMessage();
            case OutOfMemoryError memory ->
                "out of Java memory (" + memory.getMessage() + "): raise it with QUERN_JAVA_OPTS=-Xmx8g";
            default ->
                e.getMessage() == null
                        ? e.getClass().getSimpleName()
                        : e.getClass().getSimpleName() + ": " + e.getMessage();
        };
    }

    private static String oneLine(String message) {
        // What a file holds may be shown by a message, and a terminal obeys some control characters.
        return message == null
                ? "no message"
                : message.strip()
                        .replaceAll("\\s*\\R\\s*", "; ")
                        .replaceAll("[\\p{Cntrl}\\x80-\\x9f&&[^\\t]]", "\uFFFD");
    }

    /** The version of Quern, from the build. */
    public static String version() {
        Properties properties = new Properties();
        try (InputStream in = Quern.class.getResourceAsStream("version.properties")) {
            properties.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return properties.getProperty("version");
    }

    /** What {@code --version} prints. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"quern " + version() + " (Java " + Runtime.version() + ")"};
        }
    }
}
