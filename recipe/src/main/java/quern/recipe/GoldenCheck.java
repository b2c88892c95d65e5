package quern.recipe;

/**
 * One comparison with a golden case.
 *
 * @param check what was compared
 * @param error the worst error found, in the measure that the kind of case defines
 * @param tolerance the largest error that passes
 * @param ok whether it passed
 */
public record GoldenCheck(String check, double error, double tolerance, boolean ok) {
    /** Passes when the error is at most the tolerance; an error that is not a number fails. */
    public static GoldenCheck of(String check, double error, double tolerance) {
        return new GoldenCheck(check, error, tolerance, error <= tolerance);
    }
}
