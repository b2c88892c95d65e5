package quern.recipe;

import java.util.Comparator;
import java.util.List;

/**
 * A replayed golden case.
 *
 * @param kind the kind of case
 * @param name the case's name
 * @param checks what was compared; never empty
 * @param ok whether every check passed
 */
public record GoldenResult(String kind, String name, List<GoldenCheck> checks, boolean ok) {
    public GoldenResult {
        checks = List.copyOf(checks);
    }

    /** The check nearest to its tolerance, or furthest beyond it. */
    public GoldenCheck worst() {
        return checks.stream()
                .max(Comparator.comparing((GoldenCheck check) -> !check.ok()).thenComparingDouble(GoldenResult::share))
                .orElseThrow();
    }

    /** The error in units of the tolerance; one that is not a number comes out largest. */
    private static double share(GoldenCheck check) {
        if (check.error() == 0) {
            return 0;
        }
        return check.tolerance() == 0 ? Double.POSITIVE_INFINITY : check.error() / check.tolerance();
    }
}
