package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.RecipeFile;
import quern.tensor.Native;
import quern.testkit.ChildJvm;
import quern.testkit.ResidentMemory;
import quern.testkit.Slope;

/** A thousand steps, evaluations and samples between them, leave no tensor behind and no memory. */
@Tag("each-path-nightly")
class SteadyMemoryTest {
    private static final int STEPS = 1000;
    /** The JVM compiles and its allocators settle. */
    private static final int WARM_UP = 400;

    private static final double LARGEST_SLOPE = 1e6;

    @TempDir
    Path folder;

    @Test
    void aThousandSteps() throws IOException {
        // No optimizing compiler, whose work takes megabytes at moments of its own.
        assertSteady(TinyRuns.recipe(folder), "-XX:TieredStopAtLevel=1");
    }

    /** With the optimizing compiler, without which vectors are objects; one that has little left to do after the warm-up. */
    @Test
    @Tag("nightly")
    void aThousandStepsOfHandWrittenBlocks() throws IOException {
        assertSteady(TinyRuns.wideRecipe(folder), "-XX:CICompilerCount=2");
    }

    private void assertSteady(String text, String compiler) throws IOException {
        Path recipe = folder.resolve("recipe.yaml");
        Files.writeString(
                recipe,
                text.replace("max_steps: 12", "max_steps: " + STEPS)
                        .replace("eval_steps: 5", "eval_steps: 200\nsample_steps: 250\nsample_max_new_tokens: 4")
                        .replace("save_steps: 4", "save_steps: 200\nsave_async: false"));
        ChildJvm.Result result = ChildJvm.of(Child.class, recipe.toString())
                // A heap of one size, all its pages touched: what grows is the training's native memory.
                .jvmArgs("-Xms96m", "-Xmx96m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC", compiler)
                .environment("OMP_WAIT_POLICY", "passive")
                .run(Duration.ofMinutes(5));
        assertEquals(0, result.exitCode(), result.stderr());
        List<Double> steps = new ArrayList<>();
        List<Double> resident = new ArrayList<>();
        List<Long> handles = new ArrayList<>();
        result.stdout().lines().filter(line -> line.startsWith("at ")).forEach(line -> {
            String[] fields = line.split(" ");
            steps.add(Double.valueOf(fields[1]));
            handles.add(Long.valueOf(fields[2]));
            resident.add(Double.valueOf(fields[3]));
        });
        assertEquals((STEPS - WARM_UP) / 10, steps.size(), result.stdout());
        assertEquals(1, handles.stream().distinct().count(), "live handles " + handles);
        double slope = 100 * Slope.of(array(steps), array(resident));
        System.out.printf("resident memory changes by %.0f bytes in 100 steps%n", slope);
        assertTrue(
                slope < LARGEST_SLOPE,
                "resident memory grows by %.0f bytes in 100 steps: %s".formatted(slope, resident));
    }

    private static double[] array(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).toArray();
    }

    /** Prints, every ten steps after the warm-up, the step, the live handles and the resident bytes. */
    static final class Child {
        public static void main(String[] args) {
            try (TrainingRun run = TrainingRun.start(RecipeFile.load(Path.of(args[0]), List.of()), note -> {})) {
                run.addHook(new TrainingHook() {
                    @Override
                    public void onStep(TrainingProgress progress, StepResult result) {
                        if (progress.step() > WARM_UP && progress.step() % 10 == 9) {
                            System.out.println("at %d %d %d"
                                    .formatted(
                                            progress.step(),
                                            Native.liveHandles(),
                                            ResidentMemory.now().anonymous()));
                        }
                    }
                });
                run.train();
            }
        }
    }
}
