package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

/** The memory of gradients and of copies is used again where that was asked for, and freed where not. */
class ParameterGradientTest {
    private static Parameter parameter() {
        return new Parameter("w", Tensor.zeros(DType.BF16, Device.CPU, 64, 32));
    }

    private static long give(Parameter p) {
        try (Scope scope = Scope.open();
                Tensor buffer = p.gradBuffer().zero_()) {
            assertEquals(DType.FP32, buffer.dtype());
            p.value().setGrad(buffer);
            return p.grad().memory().address();
        }
    }

    @Test
    void aRecycledGradientComesBack() {
        try (Scope scope = Scope.open();
                Parameter p = parameter()) {
            long first = give(p);
            p.recycleGrad();
            assertFalse(p.grad().isDefined());
            try (Tensor other = Tensor.zeros(DType.FP32, Device.CPU, 64, 32).keep()) {
                assertNotEquals(first, other.memory().address(), "the memory is not free in between");
            }
            assertEquals(first, give(p));
            p.clearGrad();
            p.recycleGrad();
            try (Scope inner = Scope.open()) {
                assertFalse(p.grad().isDefined());
            }
        }
    }

    @Test
    void aGradientFromElsewhereIsFreed() {
        try (Scope scope = Scope.open();
                Parameter p = parameter()) {
            p.value().setGrad(Tensor.zeros(DType.FP32, Device.CPU, 64, 32));
            p.recycleGrad();
            try (Tensor one = p.gradBuffer();
                    Tensor two = p.gradBuffer()) {
                assertNotEquals(one.memory().address(), two.memory().address());
            }
        }
    }

    @Test
    void stagingBuffersAreUsedAgainWhereTheyFit() {
        try (Scope scope = Scope.open();
                StagingBuffers staging = new StagingBuffers()) {
            Tensor x = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
            assertThrows(IllegalStateException.class, () -> staging.copy("x", x, DType.FP32));
            staging.lease();
            Tensor first = staging.copy("x", x, DType.FP32);
            long address = first.memory().address();
            assertThrows(IllegalStateException.class, staging::lease);
            staging.release();
            x.mul_(2);
            assertEquals(1f, first.toFloats()[0], "a copy");
            staging.lease();
            Tensor second = staging.copy("x", x, DType.FP32);
            assertEquals(address, second.memory().address());
            assertEquals(12f, second.toFloats()[5]);
            assertEquals(24, staging.bytes());
            Tensor transposed = staging.copy("x", x.t(), DType.BF16);
            assertEquals(12, staging.bytes());
            assertArrayEquals(
                    new float[] {2, 8, 4, 10, 6, 12}, transposed.to(DType.FP32).toFloats());
        }
    }
}
