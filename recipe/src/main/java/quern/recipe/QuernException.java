package quern.recipe;

/**
 * A failure that a person can act on. The message is one line: it names the file, key, line or tensor, says what was
 * found, what was expected and what to do. The command line prints it without a stack trace and exits with {@link
 * #exitCode()}.
 */
public class QuernException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final ExitCode exitCode;

    /** A failure with its exit code and its one-line message. */
    public QuernException(ExitCode exitCode, String message) {
        super(message);
        this.exitCode = exitCode;
    }

    /** As above, with the cause that {@code --debug} prints. */
    public QuernException(ExitCode exitCode, String message, Throwable cause) {
        super(message, cause);
        this.exitCode = exitCode;
    }

    /** Bad usage, recipe or named input ({@link ExitCode#BAD_INPUT}). */
    public static QuernException badInput(String format, Object... args) {
        return new QuernException(ExitCode.BAD_INPUT, format.formatted(args));
    }

    /** A failure such as a corrupt file ({@link ExitCode#FAILED}). */
    public static QuernException failed(String format, Object... args) {
        return new QuernException(ExitCode.FAILED, format.formatted(args));
    }

    /** A refusal to go on ({@link ExitCode#REFUSED}). */
    public static QuernException refused(String format, Object... args) {
        return new QuernException(ExitCode.REFUSED, format.formatted(args));
    }

    /** The exit code of the command that met this failure. */
    public ExitCode exitCode() {
        return exitCode;
    }
}
