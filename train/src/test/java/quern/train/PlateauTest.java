package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** The schedule that follows an evaluated metric, in a training. */
class PlateauTest {
    // At this threshold no evaluation but the first ever counts as better.
    private static final String[] FALLING = {
        "lr_scheduler_type=reduce_lr_on_plateau",
        "lr_scheduler_kwargs={factor: 0.5, patience: 0, threshold: 0.9}",
        "warmup_steps=2",
        "eval_steps=1"
    };

    @TempDir
    Path folder;

    private static List<Double> rates(Path run) {
        return TinyRuns.metrics(run).stream()
                .filter(line -> line.containsKey("learning_rate"))
                .map(line -> line.get("learning_rate"))
                .toList();
    }

    @Test
    void theRateFallsAfterEvaluationsThatAreNoBetter() {
        Path run = TinyRuns.train(TinyRuns.block(folder, FALLING)).folder();
        List<Double> rates = rates(run);
        assertEquals(12, rates.size());
        // Steps 1 and 2 warm up; the evaluation after step 3 is the first that counts and so the best.
        double peak = 1e-2;
        assertEquals(List.of(0.0, peak / 2, peak, peak), rates.subList(0, 4));
        for (int step = 4; step < 12; step++) {
            assertEquals(peak * Math.pow(0.5, step - 3), rates.get(step), "step " + (step + 1));
        }
    }

    @Test
    void aResumedRunEqualsAnUnbrokenOne() {
        Path whole = TinyRuns.train(TinyRuns.block(folder, FALLING)).folder();
        Path parts = TinyRuns.trainUntil(TinyRuns.block(folder, FALLING), 3).folder();
        TinyRuns.resumeUntil(parts, 7);
        TinyRuns.resume(parts);
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(parts));
        Map<String, String> expected = TinyRuns.content(whole.resolve("checkpoint-12"));
        Map<String, String> actual = TinyRuns.content(parts.resolve("checkpoint-12"));
        for (String file : List.of("model.safetensors", "trainer/optimizer.safetensors", Checkpoints.STATE)) {
            assertEquals(expected.get(file), actual.get(file), file);
        }
    }

    @Test
    void itIsRefusedWithoutEvaluations() {
        assertRefused("no text is held out for validation", "data.validation_share=0");
        assertRefused("the only evaluation is at the end; set eval_steps", "eval_steps=0");
        assertRefused("mode takes larger values for better", "lr_scheduler_kwargs={mode: max}");
    }

    private void assertRefused(String expected, String change) {
        QuernException e = assertThrows(
                QuernException.class,
                () -> Preparation.of(
                        TinyRuns.block(folder, "lr_scheduler_type=reduce_lr_on_plateau", change), note -> {}));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains(expected), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }
}
