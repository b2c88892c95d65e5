package quern.recipe;

/** The documented exit codes of every verb. */
public enum ExitCode {
    /** The work is done. */
    DONE(0),
    /** Anything that failed and has no code of its own, corrupt files included. */
    FAILED(1),
    /** Bad usage, a bad recipe, or a named input that is missing, empty or too short. */
    BAD_INPUT(2),
    /** Quern refused to go on: a non-finite loss, a full disk, a loss scale at its floor. */
    REFUSED(3),
    /** Stopped by a signal; the state was saved first. */
    STOPPED(130);

    private final int code;

    ExitCode(int code) {
        this.code = code;
    }

    /** The number given to the operating system. */
    public int code() {
        return code;
    }
}
