package quern.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import quern.optim.optimizer.Sgd;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Native;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

class GradientClippingTest {
    private final List<Parameter> parameters = new ArrayList<>();

    @AfterEach
    void close() {
        parameters.forEach(Parameter::close);
    }

    private Parameter parameter(DType dtype, float... gradient) {
        try (Scope scope = Scope.open()) {
            Parameter parameter = new Parameter(
                    "p" + parameters.size(),
                    Tensor.zeros(dtype, gradient.length).copy());
            parameter.value().setGrad(Tensor.of(gradient, gradient.length).to(dtype));
            parameters.add(parameter);
            return parameter;
        }
    }

    @Test
    void scalesTheGlobalNormDownToTheLimit() {
        parameter(DType.FP32, 3, 0);
        parameter(DType.BF16, 0, 4);
        var measured = new GradientClipping(1).measure(parameters);
        assertEquals(5, measured.norm());
        // torch's margin of 1e-6 on the norm.
        assertEquals(1 / (5 + 1e-6), measured.scale());
        assertEquals(Optional.empty(), measured.nonFinite());
    }

    @Test
    void leavesSmallGradientsAloneAndNeverClipsAtZero() {
        parameter(DType.FP32, 3, 4);
        assertEquals(1, new GradientClipping(5.1).measure(parameters).scale());
        assertEquals(1, new GradientClipping(0).measure(parameters).scale());
        assertEquals(5, new GradientClipping(0).measure(parameters).norm());
    }

    @Test
    void countsOnlyParametersWithGradients() {
        parameter(DType.FP32, 3, 4);
        parameter(DType.FP32, 100).clearGrad();
        assertEquals(5, new GradientClipping(1).measure(parameters).norm());
        assertEquals(0, new GradientClipping(1).measure(List.of()).norm());
        assertEquals(1, new GradientClipping(1).measure(List.of()).scale());
    }

    @Test
    void namesTheFirstGradientThatIsNotFinite() {
        parameter(DType.FP32, 1);
        parameter(DType.BF16, 1, Float.POSITIVE_INFINITY);
        parameter(DType.FP32, Float.NaN);
        var measured = new GradientClipping(1).measure(parameters);
        assertEquals(Optional.of("p1"), measured.nonFinite());
        assertFalse(Double.isFinite(measured.norm()));
        assertEquals(1, measured.scale());
    }

    @Test
    void largeFiniteGradientsDoNotOverflow() {
        parameter(DType.FP32, 3e38f, -3e38f);
        var measured = new GradientClipping(1).measure(parameters);
        assertEquals(3e38 * Math.sqrt(2), measured.norm(), 1e32);
        assertEquals(Optional.empty(), measured.nonFinite());
    }

    @Test
    void clippedStepEqualsAStepWithScaledGradients() {
        try (Scope scope = Scope.open();
                Parameter clipped = new Parameter("x", Tensor.of(new float[] {0, 0}, 2))) {
            clipped.value().setGrad(Tensor.of(new float[] {30, 40}, 2));
            var measured = new GradientClipping(1).measure(List.of(clipped));
            try (Optimizer optimizer = new Sgd()
                    .create(
                            List.of(ParameterGroup.of(List.of(clipped))),
                            OptimizerSettings.DEFAULT,
                            new Sgd.Config(0, false, 0, Optional.empty()))) {
                optimizer.step(1, measured.scale());
            }
            // One rounding to fp32 on a value below 1.
            assertEquals(-0.6, clipped.value().select(0, 0).item(), 1e-7);
            assertEquals(-0.8, clipped.value().select(0, 1).item(), 1e-7);
            assertEquals(30, clipped.grad().select(0, 0).item());
        }
    }

    @Test
    void leavesNoHandleBehind() {
        try (Scope scope = Scope.open()) {
            parameters.add(new Parameter("x", Tensor.zeros(DType.FP32, 5_000)));
            parameters.getFirst().value().setGrad(Tensor.randn(new RandomStream(1), 5_000));
            GradientClipping clipping = new GradientClipping(1);
            double norm = clipping.measure(parameters).norm();
            long before = Native.liveHandles();
            for (int i = 0; i < 100; i++) {
                assertEquals(norm, clipping.measure(parameters).norm());
            }
            assertEquals(before, Native.liveHandles());
        }
    }

    @Test
    void refusesANegativeLimit() {
        assertThrows(QuernException.class, () -> new GradientClipping(-1));
        assertThrows(QuernException.class, () -> new GradientClipping(Double.NaN));
    }
}
