package quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Gradients by parameter name, taken by the engine or by one whole graph, and their comparison. */
final class Gradients {
    /**
     * fp32 sums in another order differ by a few units in the last place (6e-8); the measure is the largest deviation
     * over the largest element.
     */
    static final double FP32 = 1e-6;

    private Gradients() {}

    static Tensor one() {
        return Tensor.full(1, DType.FP32, Device.CPU, 1);
    }

    static Map<String, Tensor> seedLoss() {
        return Map.of("loss", one());
    }

    /** Takes the parameters' gradients away from them. */
    static Map<String, float[]> take(Network network) {
        Map<String, float[]> result = new LinkedHashMap<>();
        try (Scope scope = Scope.open()) {
            for (Parameter p : network.parameters()) {
                Tensor g = p.grad();
                if (g.isDefined()) {
                    assertArrayEquals(p.value().shape(), g.shape(), p.name());
                    result.put(p.name(), g.toFloats());
                }
                p.clearGrad();
            }
        }
        return result;
    }

    /** By forward and backward of a tape. */
    static Map<String, float[]> segmentWise(Network network, Flow inputs, Pass pass, Map<String, Tensor> seeds) {
        try (Tape tape = network.forward(inputs, pass)) {
            tape.backward(seeds);
        }
        return take(network);
    }

    /** By the two halves of a tape's backward. */
    static Map<String, float[]> inHalves(Network network, Flow inputs, Pass pass, Map<String, Tensor> seeds) {
        try (Tape tape = network.forward(inputs, pass)) {
            tape.backwardInput(seeds);
            tape.backwardWeight();
        }
        return take(network);
    }

    /** By autograd through one graph of everything. */
    static Map<String, float[]> whole(Network network, Flow inputs, Pass pass, Map<String, Tensor> seeds) {
        try (Scope scope = Scope.open()) {
            Flow out = network.wholeGraph(Map.of(), inputs, pass);
            List<Tensor> outputs = new ArrayList<>();
            List<Tensor> cotangents = new ArrayList<>();
            seeds.forEach((name, g) -> {
                outputs.add(out.get(name));
                cotangents.add(g);
            });
            return of(network, outputs, cotangents);
        }
    }

    /** By autograd from some outputs. */
    static Map<String, float[]> of(Network network, List<Tensor> outputs, List<Tensor> cotangents) {
        List<Parameter> wanted =
                network.parameters().stream().filter(Parameter::isTrainable).toList();
        List<Tensor> grads =
                Autograd.grad(outputs, wanted.stream().map(Parameter::value).toList(), cotangents, true, false);
        Map<String, float[]> result = new LinkedHashMap<>();
        for (int i = 0; i < wanted.size(); i++) {
            if (grads.get(i).isDefined()) {
                result.put(wanted.get(i).name(), grads.get(i).toFloats());
            }
        }
        return result;
    }

    static void assertClose(Map<String, float[]> expected, Map<String, float[]> actual, double tolerance) {
        assertEquals(expected.keySet(), actual.keySet());
        assertTrue(!expected.isEmpty(), "no gradients to compare");
        expected.forEach((name, e) -> assertClose(e, actual.get(name), tolerance, name));
    }

    static void assertSameBits(Map<String, float[]> expected, Map<String, float[]> actual) {
        assertEquals(expected.keySet(), actual.keySet());
        assertTrue(!expected.isEmpty(), "no gradients to compare");
        expected.forEach((name, e) -> assertSameBits(e, actual.get(name), name));
    }

    static void assertSameBits(float[] expected, float[] actual, String what) {
        int[] e = new int[expected.length];
        int[] a = new int[actual.length];
        Arrays.setAll(e, i -> Float.floatToRawIntBits(expected[i]));
        Arrays.setAll(a, i -> Float.floatToRawIntBits(actual[i]));
        assertArrayEquals(e, a, what);
    }

    static void assertClose(float[] expected, float[] actual, double tolerance, String what) {
        assertEquals(expected.length, actual.length, what);
        double largest = 0;
        double deviation = 0;
        for (int i = 0; i < expected.length; i++) {
            assertTrue(Float.isFinite(expected[i]) && Float.isFinite(actual[i]), what + " is not finite at " + i);
            largest = Math.max(largest, Math.abs(expected[i]));
            deviation = Math.max(deviation, Math.abs((double) expected[i] - actual[i]));
        }
        assertTrue(
                deviation <= tolerance * largest,
                "%s deviates by %.2e of its largest element %.2e".formatted(what, deviation / largest, largest));
    }

    /** That a gradient is there and is more than noise. */
    static void assertAlive(Map<String, float[]> gradients, Network network) {
        for (Parameter p : network.parameters()) {
            float[] g = gradients.get(p.name());
            assertTrue(g != null, "no gradient for " + p.name());
            double sum = 0;
            for (float x : g) {
                sum += Math.abs(x);
            }
            assertTrue(sum > 1e-6, "gradient of " + p.name() + " is zero");
        }
    }
}
