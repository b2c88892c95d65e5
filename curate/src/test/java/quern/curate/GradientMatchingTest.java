package quern.curate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.GoldenResult;
import quern.recipe.Goldens;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** The distance of gradients. */
class GradientMatchingTest {
    /** fp32 cosines of some ten elements. */
    private static final double SAME = 1e-5;

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama"})
    void distanceAndDerivativesAreTheReferences(String name) {
        Path golden = Path.of("..", "goldens", "dataset_distillation-gradient_matching-" + name);
        GoldenResult result = Goldens.replayAll(Goldens.find(List.of(golden))).getFirst();
        assertTrue(result.ok(), result.checks().toString());
        assertEquals(4, result.checks().size());
    }

    private static double distance(List<Tensor> a, List<Tensor> b) {
        return GradientMatching.distance(a, b).sum().item();
    }

    @Test
    void itCountsOutputsAndDirectionsOnly() {
        try (Scope scope = Scope.open()) {
            Tensor matrix = Tensor.randn(new RandomStream(1), 4, 6);
            Tensor vector = Tensor.randn(new RandomStream(2), 5);
            List<Tensor> a = List.of(matrix, vector);
            assertEquals(5, GradientMatching.distance(a, a).outputs(), "four rows and a vector");
            assertEquals(0, distance(a, a), SAME);
            assertEquals(0, distance(a, List.of(matrix.mul(7), vector.mul(0.01))), SAME);
            assertEquals(10, distance(a, List.of(matrix.neg(), vector.neg())), SAME);
            // Each output by its own length: a row made longer alone changes nothing.
            Tensor factors = Tensor.of(new float[] {1, 100, 0.1f, 3}, 4, 1);
            assertEquals(0, distance(a, List.of(matrix.mul(factors), vector)), SAME);
            Tensor zero = Tensor.zeros(DType.FP32, Device.CPU, 4, 6);
            assertEquals(4, distance(List.of(zero), List.of(matrix)), SAME, "no direction is at right angles to all");
            assertThrows(IllegalArgumentException.class, () -> distance(List.of(), List.of()));
        }
    }
}
