package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** An optimizer that sets its own rate takes none from the recipe. */
class OwnRateTest {
    private static final List<String> RATE_KEYS =
            List.of("learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps");

    @TempDir
    Path folder;

    private Block without(String... overrides) {
        Block block = TinyRuns.block(folder, overrides);
        for (String key : RATE_KEYS) {
            block = block.without(key);
        }
        return block;
    }

    @Test
    void adafactorTrainsByItsRelativeStep() {
        Path run = TinyRuns.train(without("optim=adafactor")).folder();
        var metrics = MetricsLog.read(run);
        List<Double> rates = metrics.stream()
                .filter(line -> line.containsKey("learning_rate"))
                .map(line -> line.get("learning_rate"))
                .distinct()
                .toList();
        assertEquals(List.of(1e-2), rates, "min(1e-2, 1/√t) of the first hundred steps");
    }

    @Test
    void aRateOfTheRecipeIsRefused() {
        Map<String, Object> settings = Map.of("learning_rate", 1e-3, "lr_scheduler_type", "cosine", "warmup_steps", 2);
        settings.forEach((key, value) -> {
            Block block = without("optim=adafactor").with(key, value);
            QuernException e = assertThrows(QuernException.class, () -> TinyRuns.train(block));
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertTrue(
                    e.getMessage()
                            .endsWith(
                                    key
                                            + " has no effect on optim: adafactor, which sets its own rate; leave it out or set optim_args.relative_step: false"),
                    e.getMessage());
        });
    }

    @Test
    void adafactorTakesARateWithoutRelativeStep() {
        TinyRuns.train(TinyRuns.block(folder, "optim=adafactor", "optim_args.relative_step=false"));
    }
}
