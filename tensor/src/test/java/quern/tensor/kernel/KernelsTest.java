package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import quern.recipe.QuernException;

class KernelsTest {
    @Test
    void availableWithTheModuleAndWideVectors() {
        assertEquals(Lanes.bits() >= 256, Kernels.available());
        if (Kernels.available()) {
            assertNull(Kernels.unavailableReason());
        }
    }

    @Test
    void withoutTheModuleEachKernelFailsWithOneClearLine() throws IOException, InterruptedException {
        Process process = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        WithoutModule.class.getName()))
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        String line = "the CPU kernels can't run: the module jdk.incubator.vector is missing; start Java with"
                + " --add-modules=jdk.incubator.vector";
        assertEquals(List.of("false", line, line, line, line), output.lines().toList());
    }

    /** Runs in a JVM without the Vector API. */
    static final class WithoutModule {
        private WithoutModule() {}

        public static void main(String[] args) {
            System.out.println(Kernels.available());
            MemorySegment none = MemorySegment.NULL;
            CrossEntropyKernel.Logits logits = new CrossEntropyKernel.Logits(none, ElementType.FP32, 0, 1, 1);
            CrossEntropyKernel.Targets targets =
                    new CrossEntropyKernel.Targets(none, CrossEntropyKernel.IndexType.INT32);
            UpdateKernel.Memory memory = new UpdateKernel.Memory(none, ElementType.FP32, none, List.of(), null, 0);
            LambUpdate lamb = new LambUpdate(0.9, 0.9, 1e-8, 0, true, 1);
            List<Update> updates = List.of(
                    new SgdUpdate(1, 0, 0, 0, false, true),
                    new AdamUpdate(new AdamUpdate.Step(1, 0.9, 0.9, 1e-8, 0, true, 1)),
                    new LionUpdate(1, 0.9, 0.9, 0),
                    new AdagradUpdate(1, 0, 1e-8),
                    new AdanUpdate(1, 0.9, 0.9, 0.9, 1e-8, 0, 1),
                    new LambUpdate.Moments(lamb),
                    new LambUpdate.Weights(lamb, 1));
            for (Runnable call : List.<Runnable>of(
                    () -> NormKernel.sumOfSquares(none, ElementType.FP32, 0),
                    () -> AccumulateKernel.add(none, none, ElementType.FP32, 0, 1),
                    () -> CrossEntropyKernel.logProbabilities(logits, targets, none),
                    () -> UpdateKernel.step(memory, 0, 0, 1, updates.getFirst()))) {
                try {
                    call.run();
                    System.out.println("ran");
                } catch (QuernException e) {
                    System.out.println(e.getMessage());
                }
            }
        }
    }

    @Test
    void vectorsHaveTheSameCountOfEachType() {
        assertEquals(Lanes.COUNT, Lanes.SHORTS.length());
        assertEquals(Lanes.COUNT, Lanes.INTS.length());
        assertTrue(Blocks.SIZE % Lanes.COUNT == 0);
    }
}
