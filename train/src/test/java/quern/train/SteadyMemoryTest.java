package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import quern.recipe.RecipeFile;
import quern.tensor.Native;
import quern.tensor.kernel.Kernels;
import quern.testkit.ChildJvm;
import quern.testkit.PageFaults;
import quern.testkit.ResidentMemory;

/**
 * Steps, with evaluations, samples and saves between them, leave no tensor behind and no memory, and touch no new page: with
 * the kernels and without, and with the allocator's settings that the launcher makes.
 */
class SteadyMemoryTest {
    private static final int STEPS = 1000;
    private static final int LONG = 10_000;
    /** The JVM compiles and its allocators settle. */
    private static final int WARM_UP = 400;

    private static final int INTERVAL = 10;
    /** Intervals that growth is measured over. */
    private static final int WINDOW = 10;
    /** In {@link #WINDOW} intervals. The JVM's own memory still grows by a third of it; tensors are counted apart. */
    private static final double LARGEST_GROWTH = 1e6;
    /**
     * In ten steps: the JVM's own threads touch some stack and code; the tensors of a step alone would be hundreds of pages if
     * they were mapped anew.
     */
    private static final double MOST_FAULTS = 60;

    @TempDir
    Path folder;

    /** How a step is computed. */
    enum Form {
        /** By the kernels, which need the optimizing compiler; large enough for the hand-written form of a block. */
        FUSED(64, "bf16", 1, "-Xms256m", "-Xmx256m"),
        /** By the kernels, with gradients of several micro-batches summed in fp32. */
        ACCUMULATED(64, "bf16", 3, "-Xms256m", "-Xmx256m"),
        /**
         * By libtorch's operators, as where vectors are too narrow, and without the optimizing compiler, whose work takes megabytes at
         * moments of its own.
         */
        PLAIN(16, "fp32", 1, "-Xms96m", "-Xmx96m", "-XX:TieredStopAtLevel=1");

        /** Features, and tokens a row. */
        final int width;

        final String precision;
        final int accumulation;
        final List<String> jvmArgs;

        Form(int width, String precision, int accumulation, String... jvmArgs) {
            this.width = width;
            this.precision = precision;
            this.accumulation = accumulation;
            this.jvmArgs = List.of(jvmArgs);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FUSED", "PLAIN"})
    void aThousandSteps(Form form) throws IOException {
        staysFlat(form, STEPS);
    }

    @ParameterizedTest
    @EnumSource
    @Tag("nightly")
    void tenThousandSteps(Form form) throws IOException {
        staysFlat(form, LONG);
    }

    private void staysFlat(Form form, int count) throws IOException {
        assumeTrue(form == Form.PLAIN || Kernels.available(), Kernels.unavailableReason());
        Path recipe = folder.resolve("recipe.yaml");
        Files.writeString(
                recipe,
                TinyRuns.recipe(folder)
                        .replace(
                                TinyRuns.GPT2,
                                "{family: gpt2, n_layer: 2, n_head: 2, n_embd: %d, n_positions: %d, dropout: 0.0}"
                                        .formatted(form.width, form.width))
                        .replace("max_length: 16", "max_length: " + form.width)
                        .replace(
                                "max_steps: 12",
                                "max_steps: %d\nprecision: %s\ngradient_accumulation_steps: %d"
                                        .formatted(count, form.precision, form.accumulation))
                        .replace("eval_steps: 5", "eval_steps: 200\nsample_steps: 250\nsample_max_new_tokens: 4")
                        .replace("save_steps: 4", "save_steps: 200"));
        List<String> jvmArgs = new ArrayList<>(form.jvmArgs);
        // A heap of one size, all its pages touched: what grows is native memory.
        jvmArgs.addAll(List.of("-XX:+AlwaysPreTouch", "-XX:+UseSerialGC"));
        ChildJvm.Result result = ChildJvm.of(Child.class, recipe.toString())
                .jvmArgs(jvmArgs.toArray(String[]::new))
                // Each form has its path, whatever this process was told to take.
                .environment("QUERN_KERNELS", form == Form.PLAIN ? "off" : "")
                .environment("OMP_WAIT_POLICY", "passive")
                .environment("MALLOC_ARENA_MAX", "1")
                .environment("MALLOC_MMAP_THRESHOLD_", "4294967295")
                .environment("MALLOC_TRIM_THRESHOLD_", "8589934592")
                .run(Duration.ofMinutes(20));
        assertEquals(0, result.exitCode(), result.stderr());
        assertTrue(result.stdout().contains("kernels " + (form != Form.PLAIN)), result.stdout());
        List<Double> resident = new ArrayList<>();
        List<Long> handles = new ArrayList<>();
        List<Double> faults = new ArrayList<>();
        result.stdout().lines().filter(line -> line.startsWith("at ")).forEach(line -> {
            String[] fields = line.split(" ");
            handles.add(Long.valueOf(fields[2]));
            resident.add(Double.valueOf(fields[3]));
            faults.add(Double.valueOf(fields[4]));
        });
        assertEquals((count - WARM_UP) / INTERVAL, resident.size(), result.stdout());
        // Medians, since the optimizing compiler takes some megabytes at a few moments; what a step leaves behind is in
        // all.
        double growth = medianGrowth(resident, WINDOW);
        double touched = medianGrowth(faults, 1);
        System.out.printf(
                "%s: resident memory grows by %.0f bytes in %d steps, page faults %.1f in %d%n",
                form, growth, WINDOW * INTERVAL, touched, INTERVAL);
        assertEquals(1, handles.stream().distinct().count(), "live handles " + handles);
        assertTrue(
                growth < LARGEST_GROWTH,
                "resident memory grows by %.0f bytes in %d steps: %s".formatted(growth, WINDOW * INTERVAL, resident));
        assertTrue(touched <= MOST_FAULTS, "page faults in %d steps: %s".formatted(INTERVAL, faults));
    }

    private static double medianGrowth(List<Double> values, int distance) {
        double[] growth = new double[values.size() - distance];
        for (int i = 0; i < growth.length; i++) {
            growth[i] = values.get(i + distance) - values.get(i);
        }
        Arrays.sort(growth);
        return growth[growth.length / 2];
    }

    /** Prints, every ten steps after the warm-up, the step, the live handles, the resident bytes and the page faults. */
    static final class Child {
        public static void main(String[] args) {
            System.out.println("kernels " + Kernels.available());
            try (TrainingRun run = TrainingRun.start(RecipeFile.load(Path.of(args[0]), List.of()), note -> {})) {
                run.addHook(new TrainingHook() {
                    @Override
                    public void onStep(TrainingProgress progress, StepResult result) {
                        if (progress.step() > WARM_UP && progress.step() % INTERVAL == INTERVAL - 1) {
                            System.out.println("at %d %d %d %d"
                                    .formatted(
                                            progress.step(),
                                            Native.liveHandles(),
                                            ResidentMemory.now().anonymous(),
                                            PageFaults.minor()));
                        }
                    }
                });
                run.train();
            }
        }
    }
}
