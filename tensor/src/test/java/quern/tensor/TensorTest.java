package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import quern.recipe.ExitCode;

/** Lifetimes, dtypes, errors and the operators whose meaning is this class's own. */
class TensorTest {
    @Test
    void scopeFreesWhatItsOperatorsMade() {
        long live = Native.liveHandles();
        Tensor inner;
        try (Scope outer = Scope.open()) {
            Tensor x = Tensor.of(new float[] {1, 2}, 2);
            try (Scope scope = Scope.open()) {
                inner = x.add(1).mul(x);
                assertEquals(8, inner.sum().item());
            }
            assertEquals(3, x.sum().item(), "the outer scope is still open");
            Tensor closed = inner;
            assertThrows(RuntimeException.class, () -> closed.add(1));
        }
        assertEquals(live, Native.liveHandles());
    }

    @Test
    void keptHandleOutlivesScopesAndClosesOnce() {
        long kept = Tensor.keptHandles();
        long live;
        Tensor handle;
        try (Scope scope = Scope.open()) {
            live = Native.liveHandles();
            Tensor x = Tensor.of(new float[] {1, 2}, 2);
            handle = x.keep();
            x.close();
            assertEquals(3, x.sum().item(), "closing a scope's tensor does nothing");
            assertEquals(kept + 1, Tensor.keptHandles());
        }
        try (Scope scope = Scope.open()) {
            assertArrayEquals(new float[] {1, 2}, handle.toFloats());
        }
        handle.close();
        handle.close();
        assertEquals(kept, Tensor.keptHandles());
        assertTrue(Native.liveHandles() <= live);
    }

    @Test
    void keptHandleInAnInnerScopeBelongsToNoScope() {
        try (Scope outer = Scope.open()) {
            Tensor handle;
            try (Scope scope = Scope.open()) {
                handle = Tensor.of(new float[] {4}, 1).keep();
            }
            try (Tensor h = handle) {
                assertEquals(4, h.item());
            }
        }
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void everyDTypeIsMadeAndRead(DType dtype) {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensor.zeros(dtype, 2, 3);
            assertEquals(dtype, x.dtype());
            assertEquals(dtype, Tensor.empty(dtype, Device.CPU, 1).dtype());
            assertEquals(dtype, Tensor.full(1, dtype, Device.CPU, 1).dtype());
            assertEquals(6L * dtype.bytes(), x.memory().byteSize());
            assertEquals(Device.CPU, x.device());
            x.fill_(1);
            assertArrayEquals(new long[] {1, 1, 1, 1, 1, 1}, x.toLongs());
            assertArrayEquals(new float[] {1, 1, 1, 1, 1, 1}, x.toFloats());
            assertEquals(dtype, Tensor.of(new float[] {0, 1}, 2).to(dtype).dtype());
            assertEquals(dtype, DType.ofSafetensors(dtype.safetensors(), "f", "t"));
            assertEquals(dtype + "[2, 3]", x.toString());
        }
    }

    @Test
    void optionsOutliveTheScopeThatMadeThem() {
        for (int i = 0; i < 3; i++) {
            try (Scope scope = Scope.open()) {
                assertEquals(0, Tensor.zeros(DType.INT16, 4).sum().item());
            }
        }
    }

    @Test
    void memoryIsTheTensorsOwn() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2);
            x.select(0, 1).memory().setAtIndex(ValueLayout.JAVA_FLOAT, 0, 9);
            assertArrayEquals(new float[] {1, 2, 9, 4}, x.toFloats());
            assertThrows(IllegalStateException.class, () -> x.t().memory());
            assertEquals(0, Tensor.empty(DType.FP32, Device.CPU, 0, 3).memory().byteSize());
            byte[] bits = {0, 0, (byte) 0x80, 0x3f};
            Tensor copy = Tensor.copyOf(MemorySegment.ofArray(bits), DType.FP32, 1);
            bits[3] = 0;
            assertEquals(1, copy.item());
            assertEquals(0x3f800000, copy.viewAs(DType.INT32).item());
            assertThrows(
                    IllegalArgumentException.class, () -> Tensor.copyOf(MemorySegment.ofArray(bits), DType.FP32, 2));
            assertThrows(IllegalArgumentException.class, () -> Tensor.of(new long[] {1, 2}, 3));
        }
    }

    @Test
    void viewsShareStorageAndCopiesDoNot() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensor.of(new float[] {1, 2, 3, 4}, 4);
            assertTrue(x.ownsStorage());
            Tensor copy = x.copy();
            assertTrue(copy.ownsStorage() && x.ownsStorage());
            Tensor view = x.view(2, 2);
            assertFalse(view.ownsStorage() || x.ownsStorage());
            view.zero_();
            assertEquals(0, x.sum().item());
            assertEquals(10, copy.sum().item());
        }
    }

    @Test
    void wholeNumbersKeepIntegers() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensor.of(new long[] {1, -2, 3}, 3);
            for (Tensor y : List.of(x.add(1), x.sub(1), x.mul(2), x.clampMin(0), x.maskedFill(x.lt(0), 7))) {
                assertEquals(DType.INT64, y.dtype());
            }
            assertArrayEquals(new long[] {1, 0, 3}, x.clampMin(0).toLongs());
            assertArrayEquals(new long[] {0, -3, 2}, x.sub(1).toLongs());
            assertArrayEquals(new long[] {3, -3, 7}, x.mul(2).add_(1).toLongs());
            assertEquals(DType.FP32, x.add(0.5).dtype());
            // fp32 would see 2^24 and 2^24 + 1 as one number.
            Tensor large = Tensor.of(new long[] {1L << 24, (1L << 24) + 1}, 2);
            assertArrayEquals(new long[] {1, 0}, large.eq(1L << 24).toLongs());
            assertEquals(DType.BF16, Tensor.zeros(DType.BF16, 2).add(1).dtype());
            assertEquals(DType.BF16, Tensor.zeros(DType.BF16, 2).add(0.5).dtype());
        }
    }

    private static void assertError(Executable body, String... parts) {
        TensorException e = assertThrows(TensorException.class, body);
        for (String part : parts) {
            assertTrue(e.getMessage().contains(part), e.getMessage() + " lacks " + part);
        }
        assertEquals(1, e.getMessage().lines().count(), e.getMessage());
        assertEquals(ExitCode.FAILED, e.exitCode());
    }

    @Test
    void errorsNameTheOperatorAndBothOperands() {
        try (Scope scope = Scope.open()) {
            Tensor a = Tensor.zeros(DType.FP32, 2, 3);
            Tensor b = Tensor.zeros(DType.FP32, 4, 5);
            Tensor i = Tensor.of(new long[] {9}, 1);
            assertError(() -> a.matmul(b), "matmul", "fp32[2, 3]", "fp32[4, 5]");
            assertError(() -> a.add(b), "add", "fp32[2, 3]", "fp32[4, 5]");
            assertError(() -> a.add_(b), "add_", "fp32[2, 3]", "fp32[4, 5]");
            assertError(() -> a.copy_(b), "copy_", "fp32[2, 3]", "fp32[4, 5]");
            assertError(() -> Tensor.cat(List.of(a, b), 0), "cat", "fp32[2, 3]", "fp32[4, 5]");
            assertError(() -> Functional.linear(a, b, null), "linear", "fp32[2, 3]", "fp32[4, 5]");
            assertError(() -> Functional.embedding(a, i), "embedding", "fp32[2, 3]", "int64[1]");
            assertError(() -> a.view(7), "view[7]", "fp32[2, 3]");
            assertError(() -> a.narrow(0, 1, 2), "narrow(0,1,2)", "fp32[2, 3]");
            assertError(() -> a.matmul(Tensor.zeros(DType.BF16, 3, 2)), "fp32[2, 3]", "bf16[3, 2]");
            assertError(() -> a.unsqueeze(5), "unsqueeze", "fp32[2, 3]");
            assertError(() -> Functional.softmax(a, 4), "softmax", "fp32[2, 3]");
            assertError(a::item, "item", "fp32[2, 3]");
            assertError(() -> i.requiresGrad_(true), "requires_grad_", "int64[1]");
            assertError(() -> a.bernoulli_(2, new RandomStream(1)), "bernoulli_", "fp32[2, 3]");
        }
    }

    @Test
    void closedTensorsAreNamedInErrors() {
        try (Scope scope = Scope.open()) {
            Tensor a = Tensor.zeros(DType.FP32, 2).keep();
            a.close();
            Tensor b = Tensor.zeros(DType.FP32, 2);
            assertError(() -> b.add(a), "add(fp32[2], a closed tensor)");
        }
    }

    @Test
    void equalComparesShapeDtypeAndElements() {
        try (Scope scope = Scope.open()) {
            Tensor a = Tensor.of(new float[] {1, 2}, 2);
            assertTrue(a.equal(a.copy()));
            assertFalse(a.equal(a.view(2, 1)));
            assertFalse(a.equal(a.to(DType.FP64)));
            assertFalse(a.equal(a.add(1)));
            Tensor nan = Tensor.of(new float[] {Float.NaN}, 1);
            assertFalse(nan.equal(nan.copy()));
        }
    }

    @Test
    void sameDtypeAndDeviceGiveTheTensorItself() {
        try (Scope scope = Scope.open()) {
            Tensor a = Tensor.of(new float[] {1, 2}, 2);
            assertTrue(a.to(DType.FP32) == a && a.to(Device.CPU) == a && a.contiguous() == a);
        }
    }

    @Test
    void rankingReturnsValuesAndPlaces() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensor.of(new float[] {3, 1, 4, 1.5f}, 4);
            Tensor.Ranked top = x.topk(2, 0);
            assertArrayEquals(new float[] {4, 3}, top.values().toFloats());
            assertArrayEquals(new long[] {2, 0}, top.indices().toLongs());
            assertArrayEquals(
                    new long[] {1, 3, 0, 2}, x.sort(0, false).indices().toLongs());
            assertEquals(2, x.argmax(0).item());
        }
    }
}
