package quern.train.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.models.LanguageModel;
import quern.models.ModelGolden;
import quern.nn.Pass;
import quern.nn.TransformerBlock;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.recipe.Goldens;
import quern.tensor.kernel.Kernels;

/**
 * Three goldens, a GPT-2, a Llama and an optimizer, by whichever way this process computes: {@code QUERN_KERNELS} and {@code
 * QUERN_FUSED_BLOCKS} choose it.
 */
@Tag("each-path")
class PathGoldenTest {
    private static final Path GOLDENS = Path.of("..", "goldens");

    /** The way to compute, for what a test prints. */
    private static String path() {
        return "vectors of %d bits, fused blocks %s".formatted(Kernels.vectorBits(), forced());
    }

    private static String forced() {
        return System.getenv().getOrDefault("QUERN_FUSED_BLOCKS", "where faster");
    }

    private static void report(String name, List<GoldenCheck> checks) {
        checks.forEach(check -> assertTrue(check.ok(), check::toString));
        String errors = checks.stream()
                .filter(check -> check.tolerance() > 0)
                .map(check -> "%s %.1e of %.1e".formatted(check.check(), check.error(), check.tolerance()))
                .collect(Collectors.joining(", "));
        System.out.printf("golden %s (%s): %s%n", name, path(), errors);
    }

    @Test
    void thePathIsTheOneThatWasAskedFor() {
        String asked = System.getenv().getOrDefault("QUERN_KERNELS", "");
        if (!asked.isEmpty()) {
            assertEquals(asked.equals("off") ? 0 : Integer.parseInt(asked), Kernels.vectorBits());
        }
    }

    /** Ten optimizer steps included. Without a mask of padding, which the hand-written blocks don't take. */
    @ParameterizedTest
    @ValueSource(strings = {"model-gpt2-tied", "model-llama-gqa-tied"})
    void aModelTrains(String name) {
        GoldenCase golden = GoldenCase.read(GOLDENS.resolve(name));
        try (ModelGolden model = new ModelGolden(golden).withoutPaddingMask()) {
            try (LanguageModel loaded = model.load()) {
                long fused = model.handWritten(loaded, Pass.evaluation()).stream()
                        .filter(segment -> loaded.network().visits().stream()
                                .anyMatch(s -> s.name().equals(segment) && s instanceof TransformerBlock))
                        .count();
                boolean all = Kernels.available() && forced().equals("always");
                assertEquals(all ? 2 : 0, fused, "hand-written blocks");
            }
            report(name, ModelReplay.replay(golden, model));
        }
    }

    @Test
    void anOptimizerSteps() {
        GoldenCase golden = GoldenCase.read(GOLDENS.resolve("optimizer-adamw-weight-decay"));
        Goldens.replayAll(List.of(golden)).forEach(result -> report(golden.name(), result.checks()));
    }
}
