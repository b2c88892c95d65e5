package quern.search;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Metrics of 100 tokens a step: steps 1 to 10 at 100 tokens a second, 11 to 20 at 50. */
class LossCurveTest {
    private static final LossCurve CURVE = LossCurve.of(List.of(
            Map.of("step", 10.0, "loss", 3.0, "num_input_tokens_seen", 1000.0, "tokens_per_sec", 100.0),
            Map.of("step", 10.0, "eval_loss", 3.0),
            Map.of("step", 15.0, "eval_loss", 2.0),
            Map.of("step", 20.0, "loss", 1.5, "num_input_tokens_seen", 2000.0, "tokens_per_sec", 50.0),
            Map.of("step", 20.0, "eval_loss", 1.0)));

    @Test
    void timeAddsUpAndEvaluationsLieBetweenLines() {
        assertEquals(
                List.of(new LossCurve.Point(10, 1000, 10, 3), new LossCurve.Point(20, 2000, 30, 1.5)),
                CURVE.training());
        assertEquals(
                List.of(
                        new LossCurve.Point(10, 1000, 10, 3),
                        new LossCurve.Point(15, 1500, 20, 2),
                        new LossCurve.Point(20, 2000, 30, 1)),
                CURVE.validation());
        assertEquals(Optional.of(75.0), CURVE.tokensPerSecond());
    }

    @Test
    void aTargetIsReachedOnTheLineBetweenTwoEvaluations() {
        assertEquals(
                new LossCurve.Point(12.5, 1250, 15, 2.5), CURVE.reaches(2.5).orElseThrow());
        assertEquals(CURVE.validation().get(2), CURVE.reaches(1).orElseThrow());
        assertTrue(CURVE.reaches(0.99).isEmpty());
        assertEquals(CURVE.validation().getFirst(), CURVE.reaches(9).orElseThrow(), "nothing is known of before");
    }

    @Test
    void aRunThatWroteNothingHasNoCurve() {
        LossCurve none = LossCurve.of(List.of());
        assertTrue(none.training().isEmpty() && none.validation().isEmpty());
        assertTrue(none.tokensPerSecond().isEmpty() && none.reaches(1).isEmpty());
    }
}
