package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.recipe.QuernException;

@Tag("each-path")
class KernelsTest {
    @Test
    void availableWithTheModuleAndWideVectorsUnlessSetOtherwise() {
        KernelSetting setting = KernelSetting.CURRENT;
        assertEquals(!setting.off() && (setting.bits() != 0 || Lanes.bits() >= 256), Kernels.available());
        assertEquals(
                !Kernels.available() ? 0 : setting.bits() == 0 ? Lanes.widestBits() : setting.bits(),
                Kernels.vectorBits());
        if (Kernels.available()) {
            assertNull(Kernels.unavailableReason());
        }
    }

    @ParameterizedTest
    @CsvSource(
            nullValues = "none",
            value = {"none, false, 0", "'', false, 0", "off, true, 0", "256, false, 256"})
    void theSettingIsReadFromItsVariable(String value, boolean off, int bits) {
        KernelSetting setting = KernelSetting.of(value == null ? Map.of() : Map.of(KernelSetting.VARIABLE, value));
        assertEquals(new KernelSetting(off, bits, null), setting);
        assertNull(setting.problemWhere(256));
    }

    @Test
    void aWrongSettingIsRefused() {
        for (String value : List.of("on", "64", "1024", "-256", "256 128")) {
            String problem =
                    KernelSetting.of(Map.of(KernelSetting.VARIABLE, value)).problemWhere(512);
            assertTrue(problem.startsWith("QUERN_KERNELS is '%s', expected off,".formatted(value)), problem);
        }
        String problem = KernelSetting.of(Map.of(KernelSetting.VARIABLE, "512")).problemWhere(256);
        assertTrue(problem.startsWith("QUERN_KERNELS is 512, but vectors have 256 bits here"), problem);
    }

    /** A CPU with narrower vectors, as the JVM sees it, and every value of the setting. */
    @ParameterizedTest
    @CsvSource(
            nullValues = "none",
            value = {
                "2, none, 256 null",
                "2, 128, 128 null",
                "1, none, 0 vectors have 128 bits here",
                "1, 128, 128 null",
                "2, off, 0 QUERN_KERNELS is off",
                "2, 512, 'QUERN_KERNELS is 512, but vectors have 256 bits here'",
                "2, on, 'QUERN_KERNELS is ''on'''"
            })
    void narrowCpus(int avx, String setting, String expected) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:UseAVX=" + avx,
                        "--add-modules=jdk.incubator.vector",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Width.class.getName()))
                .redirectError(ProcessBuilder.Redirect.DISCARD);
        builder.environment().remove(KernelSetting.VARIABLE);
        if (setting != null) {
            builder.environment().put(KernelSetting.VARIABLE, setting);
        }
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        assertTrue(output.startsWith(expected), output);
    }

    /** Prints the width and why there is none; where there is one, after a sum of squares. */
    static final class Width {
        private Width() {}

        public static void main(String[] args) {
            try (Arena arena = Arena.ofShared()) {
                if (Kernels.available()) {
                    MemorySegment ones = Segments.floats(arena, new float[1003]);
                    ones.fill((byte) 0x3f);
                    double one = ones.get(ValueLayout.JAVA_FLOAT, 0);
                    assertEquals(1003 * one * one, NormKernel.sumOfSquares(ones, ElementType.FP32, 1003), 1e-9);
                }
                System.out.println(Kernels.vectorBits() + " " + Kernels.unavailableReason());
            } catch (QuernException e) {
                System.out.println(e.getMessage());
            }
        }
    }

    @Test
    void withoutTheModuleEachKernelFailsWithOneClearLine() throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        WithoutModule.class.getName()))
                .redirectErrorStream(true);
        builder.environment().remove(KernelSetting.VARIABLE);
        Process process = builder.start();
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
