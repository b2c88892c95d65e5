package quern.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import quern.optim.optimizer.AdamW;
import quern.optim.optimizer.Sgd;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.Techniques;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.KernelThreads;
import quern.tensor.kernel.Kernels;

class OptimizerTest {
    private static final Sgd.Config PLAIN = new Sgd.Config(0, false, 0, Optional.empty());

    private static Optimizer sgd(ParameterGroup... groups) {
        return new Sgd().create(List.of(groups), OptimizerSettings.DEFAULT, PLAIN);
    }

    private static Parameter ones(String name) {
        try (Scope scope = Scope.open()) {
            Parameter parameter = new Parameter(name, Tensor.of(new float[] {1, 1}, 2));
            parameter.value().setGrad(Tensor.of(new float[] {1, 1}, 2));
            return parameter;
        }
    }

    @Test
    void groupsHaveTheirOwnRateAndDecay() {
        try (Parameter a = ones("a");
                Parameter b = ones("b");
                Optimizer optimizer = new Sgd()
                        .create(
                                List.of(
                                        new ParameterGroup(List.of(a), 0.5, OptionalDouble.of(0)),
                                        ParameterGroup.of(List.of(b))),
                                new OptimizerSettings(2, 0.9, 0.999, 1e-8),
                                PLAIN)) {
            optimizer.step(0.25, 1);
            assertArrayEquals(new float[] {0.875f, 0.875f}, a.value().toFloats());
            assertArrayEquals(new float[] {0.25f, 0.25f}, b.value().toFloats());
        }
    }

    @Test
    void refusesOneParameterTwiceNoParameterAndDoubles() {
        try (Scope scope = Scope.open();
                Parameter a = ones("a");
                Parameter wide = new Parameter("wide", Tensor.zeros(DType.FP64, 1))) {
            assertRefused("parameter 'a' is in the optimizer twice", List.of(a), List.of(a));
            assertRefused("parameter 'wide' is fp64", List.of(wide), List.of());
            a.setTrainable(false);
            assertRefused("the optimizer has no trainable parameter", List.of(a), List.of());
        }
    }

    private static void assertRefused(String message, List<Parameter> one, List<Parameter> other) {
        long kept = Tensor.keptHandles();
        QuernException e =
                assertThrows(QuernException.class, () -> sgd(ParameterGroup.of(one), ParameterGroup.of(other)));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().startsWith(message), e.getMessage());
        assertEquals(kept, Tensor.keptHandles());
    }

    @Test
    void refusesRatesAndScalesThatAreNoNumbers() {
        try (Parameter a = ones("a");
                Optimizer optimizer = sgd(ParameterGroup.of(List.of(a)))) {
            assertThrows(IllegalArgumentException.class, () -> optimizer.step(-1, 1));
            assertThrows(IllegalArgumentException.class, () -> optimizer.step(Double.NaN, 1));
            assertThrows(IllegalArgumentException.class, () -> optimizer.step(1, Double.POSITIVE_INFINITY));
            assertArrayEquals(new float[] {1, 1}, a.value().toFloats());
        }
    }

    @Test
    void aClosedOptimizerRefusesToWork() {
        try (Parameter a = ones("a")) {
            Optimizer optimizer = sgd(ParameterGroup.of(List.of(a)));
            optimizer.close();
            optimizer.close();
            assertThrows(IllegalStateException.class, () -> optimizer.step(1, 1));
            assertThrows(IllegalStateException.class, optimizer::state);
        }
    }

    @Test
    void fp16WeightsTakeOperatorsAndRefuseTheFusedStep() {
        try (Scope scope = Scope.open();
                Parameter half =
                        new Parameter("h", Tensor.of(new float[] {1, 1}, 2).to(DType.FP16))) {
            List<ParameterGroup> groups = List.of(ParameterGroup.of(List.of(half)));
            long kept = Tensor.keptHandles();
            QuernException e = assertThrows(
                    QuernException.class,
                    () -> new AdamW().create(groups, OptimizerSettings.DEFAULT, new AdamW.Config(Optional.of(true))));
            String reason = Kernels.available() ? "'h', which is fp16 on cpu" : Kernels.unavailableReason();
            assertTrue(e.getMessage().contains(reason), e.getMessage());
            assertEquals(kept, Tensor.keptHandles());
            try (Optimizer optimizer =
                    new AdamW().create(groups, OptimizerSettings.DEFAULT, new AdamW.Config(Optional.empty()))) {
                half.value().setGrad(Tensor.of(new float[] {1, -1}, 2).to(DType.FP16));
                optimizer.step(0.25, 1);
                assertArrayEquals(new float[] {0.75f, 1.25f}, half.value().toFloats());
                // fp32 resolution near 1.
                assertArrayEquals(
                        new float[] {0.75f, 1.25f}, optimizer.masterOf(half).toFloats(), 1e-6f);
            }
        }
    }

    @Test
    void changedWeightsReachTheMastersOnDemand() {
        try (Scope scope = Scope.open();
                Parameter narrow =
                        new Parameter("n", Tensor.of(new float[] {1, 1}, 2).to(DType.BF16));
                Optimizer optimizer = sgd(ParameterGroup.of(List.of(narrow)))) {
            try (Autograd.Mode mode = Autograd.noGrad()) {
                narrow.value().fill_(3);
            }
            assertArrayEquals(new float[] {1, 1}, optimizer.masterOf(narrow).toFloats());
            optimizer.resetMasters();
            assertArrayEquals(new float[] {3, 3}, optimizer.masterOf(narrow).toFloats());
        }
    }

    @Test
    void adamGivesTheSameBitsForAnyNumberOfThreads() {
        int threads = KernelThreads.count();
        try {
            KernelThreads.setCount(1);
            float[] alone = adamSteps();
            for (int count = 2; count <= 4; count++) {
                KernelThreads.setCount(count);
                assertArrayEquals(alone, adamSteps());
            }
        } finally {
            KernelThreads.setCount(threads);
        }
    }

    private static float[] adamSteps() {
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(9);
            try (Parameter x = new Parameter("x", Tensor.randn(random, 100_001).to(DType.BF16));
                    Parameter y = new Parameter("y", Tensor.randn(random, 77));
                    Optimizer optimizer = new AdamW()
                            .create(
                                    List.of(ParameterGroup.of(List.of(x, y))),
                                    OptimizerSettings.DEFAULT,
                                    new AdamW.Config(Optional.empty()))) {
                for (int step = 0; step < 3; step++) {
                    x.value().setGrad(Tensor.randn(random, 100_001).to(DType.BF16));
                    y.value().setGrad(Tensor.randn(random, 77));
                    optimizer.step(0.01, 1);
                }
                return optimizer.masterOf(x).toFloats();
            }
        }
    }

    @Test
    void listingTechniquesLoadsNoNativeLibrary() throws Exception {
        // A fresh JVM: this one has libtorch loaded already.
        Process process = new ProcessBuilder(
                        ProcessHandle.current().info().command().orElseThrow(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        "-verbose:class",
                        ListTechniques.class.getName())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), output);
        assertTrue(output.contains("lr_scheduler_type cosine_with_min_lr"), output);
        assertTrue(output.contains("optim adamw"), output);
        assertTrue(output.lines().noneMatch(line -> line.contains("org.bytedeco")), "libtorch's binding was loaded");
    }

    /** Prints every technique. */
    public static final class ListTechniques {
        private ListTechniques() {}

        /** Entry point of the child process. */
        public static void main(String[] args) {
            Techniques.all()
                    .forEach(t -> System.out.println(t.kind() + " " + t.id() + " " + t.summary() + " "
                            + t.config().getName()));
        }
    }
}
