package quern.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Native;
import quern.tensor.Parameter;
import quern.tensor.SafetensorsFile;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Clipping by value and adaptive clipping against torch and the paper's formula in double precision. */
class ClippingInPlaceTest {
    private static final int TENSORS = 7;
    private static final GradientClipping NORM = new GradientClipping(1);

    private final Map<String, Tensor> reference = new HashMap<>();
    private final List<Parameter> parameters = new ArrayList<>();
    private Scope scope;

    @BeforeEach
    void read() throws URISyntaxException {
        scope = Scope.open();
        Path file = Path.of(
                ClippingInPlaceTest.class.getResource("clipping.safetensors").toURI());
        try (SafetensorsFile tensors = SafetensorsFile.open(file)) {
            for (String tensor : tensors.names()) {
                SafetensorsFile.Entry e = tensors.entry(tensor);
                DType dtype = DType.ofSafetensors(e.dtype(), file.toString(), tensor);
                reference.put(tensor, Tensor.copyOf(e.bytes(), dtype, e.shape()));
            }
        }
    }

    @AfterEach
    void close() {
        parameters.forEach(Parameter::close);
        scope.close();
    }

    private double setting(int i) {
        return reference.get("settings").select(0, i).item();
    }

    private AdaptiveClipping adaptive(String... excluded) {
        return new AdaptiveClipping(setting(1), setting(2), Set.of(excluded));
    }

    /** The reference's parameters, whose gradients times {@code scale} are the reference's. */
    private void hold(DType dtype, double scale) {
        for (int i = 0; i < TENSORS; i++) {
            Parameter p = new Parameter("p" + i, reference.get("weight." + i).to(dtype));
            p.value().setGrad(reference.get("grad." + i).div(scale).to(dtype));
            parameters.add(p);
        }
    }

    private void assertGradients(String expected, double scale, double tolerance) {
        for (int i = 0; i < TENSORS; i++) {
            Tensor wanted = reference.get(expected + "." + i);
            Tensor found = parameters.get(i).grad().to(DType.FP64).mul(scale);
            double error = found.sub(wanted).abs().max().item();
            assertEquals(0, error / wanted.abs().max().item(), tolerance, expected + " " + i);
        }
    }

    /** Roundings to the gradient's dtype: of the start, the limit and the result. */
    private static double tolerance(DType dtype) {
        return switch (dtype) {
            case FP32 -> 1e-6;
            case FP16 -> 3 * 0x1p-10;
            default -> 3 * 0x1p-8;
        };
    }

    @ParameterizedTest
    @CsvSource({"FP32, 1", "FP32, 0.0009765625", "BF16, 1", "BF16, 0.0009765625", "FP16, 1", "FP16, 0.0009765625"})
    void equalTheReference(DType dtype, double scale) {
        hold(dtype, scale);
        var byValue = new GradientClipping(0, setting(0), Optional.empty()).measure(parameters, scale);
        assertEquals(scale, byValue.scale());
        assertGradients("value", scale, tolerance(dtype));
        for (int i = 0; i < TENSORS; i++) {
            parameters
                    .get(i)
                    .value()
                    .setGrad(reference.get("grad." + i).div(scale).to(dtype));
        }
        var adapted = new GradientClipping(0, 0, Optional.of(adaptive())).measure(parameters, scale);
        assertEquals(scale, adapted.scale());
        assertEquals(byValue.norm(), adapted.norm(), "both tell the norm before clipping");
        assertGradients("adaptive", scale, tolerance(dtype));
    }

    @Test
    void anExcludedParameterIsLeftAlone() {
        hold(DType.FP32, 1);
        float[] before = parameters.get(5).grad().toFloats();
        new GradientClipping(0, 0, Optional.of(adaptive("p5"))).measure(parameters);
        assertArrayEquals(before, parameters.get(5).grad().toFloats());
        new GradientClipping(0, 0, Optional.of(adaptive())).measure(parameters);
        assertTrue(before[0] != parameters.get(5).grad().toFloats()[0]);
    }

    @Test
    void theNormIsTakenOfWhatTheOthersLeave() {
        hold(DType.FP32, 1);
        double before = NORM.measure(parameters).norm();
        var measured = new GradientClipping(1, setting(0), Optional.of(adaptive())).measure(parameters);
        assertEquals(before, measured.norm());
        double left = NORM.measure(parameters).norm();
        assertTrue(left < before);
        assertEquals(Math.min(1, 1 / (left + 1e-6)), measured.scale());
    }

    @Test
    void aGradientThatIsNotFiniteIsNamedAndNotHidden() {
        hold(DType.FP32, 1);
        parameters.get(2).value().setGrad(Tensor.full(Double.POSITIVE_INFINITY, DType.FP32, Device.CPU, 7));
        var measured = new GradientClipping(1, setting(0), Optional.of(adaptive())).measure(parameters);
        assertEquals(Optional.of("p2"), measured.nonFinite());
        assertEquals(
                Double.POSITIVE_INFINITY, parameters.get(2).grad().select(0, 0).item());
        assertArrayEquals(
                reference.get("grad.0").to(DType.FP32).toFloats(),
                parameters.get(0).grad().toFloats());
    }

    @Test
    void gradientsOfZeroStayZero() {
        hold(DType.FP32, 1);
        parameters.get(0).value().setGrad(Tensor.zeros(DType.FP32, 6, 5));
        parameters.get(1).clearGrad();
        new GradientClipping(0, 1, Optional.of(adaptive())).measure(parameters);
        assertArrayEquals(new float[30], parameters.get(0).grad().toFloats());
    }

    @Test
    void leavesNoHandleBehind() {
        hold(DType.FP32, 1);
        GradientClipping clipping = new GradientClipping(1, 0.5, Optional.of(adaptive()));
        clipping.measure(parameters);
        long before = Native.liveHandles();
        for (int i = 0; i < 100; i++) {
            clipping.measure(parameters);
        }
        assertEquals(before, Native.liveHandles());
    }

    @Test
    void limitsOutOfRangeAreRefused() {
        assertThrows(QuernException.class, () -> new GradientClipping(0, -1, Optional.empty()));
        assertThrows(IllegalArgumentException.class, () -> new AdaptiveClipping(0, 1e-3, Set.of()));
        assertThrows(IllegalArgumentException.class, () -> new AdaptiveClipping(0.01, Double.NaN, Set.of()));
    }
}
