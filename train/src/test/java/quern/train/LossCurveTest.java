package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.tensor.kernel.Kernels;
import quern.testkit.ChildJvm;

/**
 * A hundred steps of a GPT and a Llama in fp32 and bf16, by hand-written blocks, by plain ones, and without any kernel: one
 * loss curve. A process of its own takes each way.
 */
class LossCurveTest {
    private static final int STEPS = 100;

    /** Of a loss, in fp32: roundings of 6e-8 hardly grow along a hundred steps. Worst measured: 3.1e-7. */
    private static final double FP32 = 3e-6;

    /** Likewise with roundings of 4e-3. Worst measured: 1.7e-3. */
    private static final double BF16 = 1e-2;

    @TempDir
    Path folder;

    @Test
    void handWrittenAndPlainBlocksHaveOneCurve() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
        assertOneCurve("hand-written blocks", curves(null, null, 2));
    }

    @Test
    @Tag("nightly")
    void withKernelsAndWithoutThereIsOneCurve() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
        assertOneCurve("without kernels", curves(null, "off", 0));
    }

    private void assertOneCurve(String way, Map<String, List<Double>> curves) {
        Map<String, List<Double>> plain = curves("never", null, 0);
        assertEquals(4, plain.size());
        plain.forEach((name, losses) -> {
            assertEquals(STEPS, losses.size());
            assertTrue(losses.getLast() < 0.8 * losses.getFirst(), name + " learned nothing: " + losses);
            double tolerance = name.startsWith("fp32") ? FP32 : BF16;
            double worst = worst(losses, curves.get(name));
            System.out.printf(
                    "%s: plain blocks end at %.4f; %s off by %.1e at most%n", name, losses.getLast(), way, worst);
            assertTrue(worst <= tolerance, () -> name + " differs by " + worst);
            assertFalse(losses.equals(curves.get(name)), name + ": the same bits, so it was one way twice");
        });
    }

    private static double worst(List<Double> a, List<Double> b) {
        assertEquals(a.size(), b.size());
        double worst = 0;
        for (int i = 0; i < a.size(); i++) {
            // Math.max keeps a NaN.
            worst = Math.max(worst, Math.abs(a.get(i) - b.get(i)) / a.get(i));
        }
        return worst;
    }

    private Map<String, List<Double>> curves(String fusedBlocks, String kernels, long blocksByHand) {
        ChildJvm.Builder child = ChildJvm.of(Child.class, folder.toString())
                .environment("OMP_WAIT_POLICY", "passive")
                .environment("QUERN_FUSED_BLOCKS", fusedBlocks);
        // What this process was given stays, such as a width, unless the kernels are to be off.
        ChildJvm.Result result =
                (kernels == null ? child : child.environment("QUERN_KERNELS", kernels)).run(Duration.ofMinutes(5));
        assertEquals(0, result.exitCode(), result.stderr());
        Map<String, List<Double>> curves = new LinkedHashMap<>();
        result.stdout().lines().filter(line -> line.contains(": ")).forEach(line -> {
            String[] parts = line.split(": ");
            assertEquals(blocksByHand, Long.parseLong(parts[1]), line);
            curves.put(
                    parts[0],
                    Stream.of(parts[2].split(" ")).map(Double::valueOf).toList());
        });
        return curves;
    }

    /** Prints, for every model and precision, its name, how many blocks are hand-written, and the losses. */
    static final class Child {
        public static void main(String[] args) {
            Path folder = Path.of(args[0]);
            for (String precision : List.of("fp32", "bf16")) {
                for (String model : List.of(TinyRuns.WIDE_GPT2, TinyRuns.WIDE_LLAMA)) {
                    String family = model.contains("gpt2") ? "gpt2" : "llama";
                    List<Double> losses = new ArrayList<>();
                    try (TrainingRun run = TrainingRun.start(
                            TinyRuns.blockOf(
                                    model,
                                    folder,
                                    TinyRuns.LONG,
                                    "precision=" + precision,
                                    "max_steps=" + STEPS,
                                    "learning_rate=2e-3",
                                    "save_steps=0",
                                    "eval_steps=0",
                                    "tensorboard=false"),
                            note -> {})) {
                        long byHand = TinyRuns.blocksByHand(run.model());
                        run.addHook(new TrainingHook() {
                            @Override
                            public void onStep(TrainingProgress progress, StepResult result) {
                                losses.add(result.loss());
                            }
                        });
                        run.train();
                        System.out.println(precision + " " + family + ": " + byHand + ": "
                                + String.join(
                                        " ",
                                        losses.stream().map(String::valueOf).toList()));
                    }
                }
            }
        }
    }
}
