package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The kernel's sum is the operator's, to the bit: both add once in fp32. */
@Tag("each-path")
class AccumulateTest {
    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"FP32", "BF16", "FP16"})
    void isTheOperatorsSum(DType dtype) {
        try (Scope scope = Scope.open()) {
            Tensor addend = Tensor.randn(new RandomStream(1), 37, 1001).to(dtype);
            Tensor a = Tensor.randn(new RandomStream(2), 37, 1001);
            Tensor b = a.copy();
            Accumulate.add(a, addend);
            Accumulate.plain(b, addend);
            assertArrayEquals(b.toFloats(), a.toFloats());
        }
    }

    @Test
    void takesStridedTensorsAndRefusesOtherShapes() {
        try (Scope scope = Scope.open()) {
            Tensor addend =
                    Tensor.randn(new RandomStream(1), 5, 7).to(DType.BF16).t();
            Tensor a = Tensor.zeros(DType.FP32, 7, 5);
            Accumulate.add(a, addend);
            assertArrayEquals(addend.toFloats(), a.toFloats());
            Tensor wrong = Tensor.zeros(DType.FP32, 7, 6);
            assertThrows(TensorException.class, () -> Accumulate.add(wrong, addend));
        }
    }
}
