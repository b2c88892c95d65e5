package quern.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.KernelThreads;
import quern.tensor.kernel.Kernels;

/** What an optimizer with a fused step must keep besides: both ways of computing pass everything, and agree. */
public abstract class FusedOptimizerContract extends OptimizerContract {
    /** Of a number, or of 1 where that is more: ten steps, each with a few roundings to fp32 (6e-8) on either side. */
    private static final float ROUNDING = 3e-6f;

    /** The configurations, each with this {@code fused}. */
    protected abstract List<Variant> variants(Optional<Boolean> fused);

    @Override
    protected final List<Variant> variants() {
        List<Variant> operators = variants(Optional.of(false));
        if (!Kernels.available()) {
            return operators;
        }
        return Stream.concat(variants(Optional.of(true)).stream(), operators.stream())
                .toList();
    }

    /** The variants of both ways, or of the operators alone where there are no kernels. */
    protected final List<Variant> variantsOfBothWays(String name) {
        return variants().stream().filter(v -> v.name().startsWith(name)).toList();
    }

    @Override
    protected List<Map<String, Object>> goldenArgs() {
        return Kernels.available()
                ? List.of(Map.of("fused", true), Map.of("fused", false))
                : List.of(Map.of("fused", false));
    }

    private Stream<Integer> pairs() {
        return Kernels.available()
                ? Stream.iterate(0, i -> i + 1)
                        .limit(variants(Optional.of(true)).size())
                : Stream.empty();
    }

    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("pairs")
    void theFusedStepIsThatOfTheOperators(int index) {
        for (DType dtype : List.of(DType.FP32, DType.BF16)) {
            try (Weights one = new Weights(dtype);
                    Weights other = new Weights(dtype);
                    Optimizer fused = createDecaying(variants(Optional.of(true)).get(index), one);
                    Optimizer operators =
                            createDecaying(variants(Optional.of(false)).get(index), other)) {
                for (int step = 0; step < 10; step++) {
                    one.setGradients(step, g -> g);
                    other.setGradients(step, g -> g);
                    fused.step(0.01, 0.7);
                    operators.step(0.01, 0.7);
                }
                for (int i = 0; i < one.parameters.size(); i++) {
                    assertNear(
                            operators.masterOf(other.parameters.get(i)),
                            fused.masterOf(one.parameters.get(i)),
                            "p" + i);
                }
                assertEquals(operators.state().keySet(), fused.state().keySet());
                operators
                        .state()
                        .forEach((name, tensor) ->
                                assertNear(tensor, fused.state().get(name), name));
            }
        }
    }

    private static void assertNear(Tensor expected, Tensor actual, String name) {
        float[] theirs = actual.toFloats();
        float[] ours = expected.toFloats();
        for (int i = 0; i < ours.length; i++) {
            assertEquals(ours[i], theirs[i], ROUNDING * Math.max(1, Math.abs(ours[i])), name);
        }
    }

    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("pairs")
    void theFusedStepHasTheSameBitsForAnyThreads(int index) {
        int before = KernelThreads.count();
        float[] first = null;
        try {
            for (int threads = 1; threads <= 3; threads++) {
                KernelThreads.setCount(threads);
                try (Weights weights = new Weights(DType.BF16);
                        Optimizer optimizer =
                                createDecaying(variants(Optional.of(true)).get(index), weights)) {
                    for (int step = 0; step < 3; step++) {
                        weights.setGradients(step, g -> g);
                        optimizer.step(0.01, 1);
                    }
                    // The one of 40,000 elements.
                    float[] master =
                            optimizer.masterOf(weights.parameters.get(4)).toFloats();
                    if (first == null) {
                        first = master;
                    }
                    assertArrayEquals(first, master);
                }
            }
        } finally {
            KernelThreads.setCount(before);
        }
    }

    private Optimizer createDecaying(Variant variant, Weights weights) {
        OptimizerSettings s = variant.settings();
        boolean decays = technique().settings().contains("weight_decay");
        Variant decaying = new Variant(
                variant.name(),
                variant.config(),
                // A power of two: its product with a weight is exact, so that both ways see the same penalised
                // gradient.
                new OptimizerSettings(decays ? 0.25 : 0, s.beta1(), s.beta2(), s.epsilon()),
                variant.quadraticRate(),
                variant.rosenbrockRate());
        return create(decaying, weights.parameters);
    }

    @Test
    void insistingOnTheFusedStepIsRefusedWhereItCantBe() {
        Variant insisting = variants(Optional.of(true)).getFirst();
        long kept = Tensor.keptHandles();
        try (Scope scope = Scope.open();
                Parameter half = new Parameter("half", Tensor.zeros(DType.FP16, 3))) {
            QuernException e = assertThrows(QuernException.class, () -> create(insisting, List.of(half)));
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertTrue(e.getMessage().startsWith("optim_args.fused: can't be true"), e.getMessage());
        }
        assertEquals(kept, Tensor.keptHandles());
    }
}
