package quern.optim.optimizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import quern.optim.Optimizer;
import quern.optim.OptimizerContract;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterRole;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.Kernels;

class AdamW8bitTest extends OptimizerContract {
    /** Both ways of computing where this machine has both. */
    private static final List<Boolean> FUSED = Kernels.available() ? List.of(true, false) : List.of(false);

    private static final OptimizerSettings SETTINGS = new OptimizerSettings(0, 0.9, 0.999, 1e-8);

    @Override
    protected OptimizerTechnique technique() {
        return new AdamW8bit();
    }

    @Override
    protected List<Variant> variants() {
        // The first has coded and fp32 moments side by side.
        return FUSED.stream()
                .flatMap(fused -> Stream.of(1_000, 1 << 20)
                        .map(size -> new Variant(
                                (fused ? "fused from " : "operators from ") + size,
                                new AdamW8bit.Config(size, Optional.of(fused)),
                                SETTINGS,
                                0.02,
                                OptionalDouble.of(0.02))))
                .toList();
    }

    @Override
    protected List<Map<String, Object>> goldenArgs() {
        return FUSED.stream()
                .map(fused -> Map.<String, Object>of("fused", fused))
                .toList();
    }

    @Test
    void theFirstStepIsAdamWs() {
        for (boolean fused : FUSED) {
            try (Scope scope = Scope.open()) {
                RandomStream random = new RandomStream(3);
                Tensor start = Tensor.randn(random, 70, 90);
                Tensor gradient = Tensor.randn(random, 70, 90);
                try (Parameter coded = new Parameter("x", start.copy());
                        Parameter wide = new Parameter("x", start.copy());
                        Optimizer a = new AdamW8bit()
                                .create(
                                        List.of(ParameterGroup.of(List.of(coded))),
                                        SETTINGS,
                                        new AdamW8bit.Config(1, Optional.of(fused)));
                        Optimizer b = new AdamW()
                                .create(
                                        List.of(ParameterGroup.of(List.of(wide))),
                                        SETTINGS,
                                        new AdamW.Config(Optional.of(fused)))) {
                    coded.value().setGrad(gradient);
                    wide.value().setGrad(gradient);
                    a.step(0.01, 1);
                    b.step(0.01, 1);
                    assertTrue(coded.value().equal(wide.value()), "the moments are coded only after the step");
                    assertFalse(a.state().containsKey("exp_avg/x"));
                }
            }
        }
    }

    @Test
    void itStaysNearAdamWAndTakesAQuarterOfTheState() {
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(5);
            Tensor start = Tensor.randn(random, 128, 64);
            Tensor goal = Tensor.randn(random, 128, 64);
            try (Parameter coded = new Parameter("x", start.copy());
                    Parameter wide = new Parameter("x", start.copy());
                    Optimizer a = new AdamW8bit()
                            .create(
                                    List.of(ParameterGroup.of(List.of(coded))),
                                    SETTINGS,
                                    new AdamW8bit.Config(4096, Optional.empty()));
                    Optimizer b = new AdamW()
                            .create(
                                    List.of(ParameterGroup.of(List.of(wide))),
                                    SETTINGS,
                                    new AdamW.Config(Optional.empty()))) {
                for (int step = 0; step < 300; step++) {
                    try (Scope one = Scope.open()) {
                        Tensor noise = Tensor.randn(random, 128, 64).mul(0.3);
                        coded.value().setGrad(coded.value().detach().sub(goal).add_(noise));
                        wide.value().setGrad(wide.value().detach().sub(goal).add_(noise));
                        a.step(0.02, 1);
                        b.step(0.02, 1);
                    }
                }
                double codedError = meanSquare(coded, goal);
                double wideError = meanSquare(wide, goal);
                // Codes are off by up to 7% of themselves, which adds to the gradients' noise.
                assertEquals(wideError, codedError, 0.25 * wideError);
                // Two bytes and two scales of four bytes a block, and the step count.
                assertEquals(128 * 64 * 2 + 128 * 64 / 256 * 8 + 8, a.stateBytes());
                assertTrue(a.stateBytes() < 0.26 * b.stateBytes());
            }
        }
    }

    private static double meanSquare(Parameter parameter, Tensor goal) {
        return parameter.value().detach().sub(goal).square().mean().item();
    }

    @Test
    void smallParametersAndEmbeddingsKeepFp32Moments() {
        try (Scope scope = Scope.open();
                Parameter hidden = new Parameter("hidden", Tensor.zeros(DType.FP32, 64, 64));
                Parameter small = new Parameter("small", Tensor.zeros(DType.FP32, 63, 65));
                Parameter table = new Parameter("table", Tensor.zeros(DType.FP32, 64, 64));
                Optimizer optimizer = new AdamW8bit()
                        .create(
                                List.of(
                                        ParameterGroup.of(List.of(hidden, small)),
                                        new ParameterGroup(
                                                List.of(table),
                                                1,
                                                OptionalDouble.empty(),
                                                Optional.of(ParameterRole.EMBEDDING))),
                                SETTINGS,
                                new AdamW8bit.Config(4096, Optional.empty()))) {
            assertEquals(
                    DType.UINT8, optimizer.state().get("exp_avg_codes/hidden").dtype());
            assertEquals(
                    DType.UINT8,
                    optimizer.state().get("exp_avg_sq_codes/hidden").dtype());
            for (String name : List.of("small", "table")) {
                assertEquals(
                        DType.FP32, optimizer.state().get("exp_avg/" + name).dtype());
                assertFalse(optimizer.state().containsKey("exp_avg_codes/" + name));
            }
        }
    }
}
