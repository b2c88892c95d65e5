package quern.search;

import java.nio.file.Path;
import java.util.Optional;

/**
 * A finished run.
 *
 * @param seed its seed, by which it is paired with the other arms' runs
 * @param folder its run folder
 * @param loss the validation loss of the model that it ended with, which is the best one's where the recipe says {@code
 *     load_best_model_at_end}; empty when it diverged
 * @param report how it ended and what it cost; empty for a run that {@code quern train} made
 * @param curve its losses
 */
public record MeasuredRun(long seed, Path folder, Optional<Double> loss, Optional<RunReport> report, LossCurve curve) {
    /** A run from its folder's metrics. */
    static MeasuredRun of(long seed, Path folder, boolean best, Optional<RunReport> report) {
        LossCurve curve = LossCurve.read(folder);
        boolean diverged =
                report.filter(r -> r.ending() == RunReport.Ending.DIVERGED).isPresent();
        Optional<Double> loss = diverged || curve.validation().isEmpty()
                ? Optional.empty()
                : Optional.of(
                        best
                                ? LossCurve.ofLastStage(folder).validation().stream()
                                        .mapToDouble(LossCurve.Point::loss)
                                        .min()
                                        .getAsDouble()
                                : curve.validation().getLast().loss());
        return new MeasuredRun(seed, folder, loss, report, curve);
    }

    /** Whether the run ended because it could not go on. */
    boolean diverged() {
        return report.filter(r -> r.ending() == RunReport.Ending.DIVERGED).isPresent();
    }
}
