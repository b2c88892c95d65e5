package quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Pieces of memory come back as soon as nothing lies in them, and not before. */
class VisitMemoryTest {
    private static long[] shape(long... sizes) {
        return sizes;
    }

    private static Tensor take(VisitMemory memory, DType dtype, long length) {
        return memory.empty(dtype, Device.CPU, List.of(shape(length))).getFirst();
    }

    private static long addressOnce(VisitMemory memory, DType dtype, long length) {
        try (Scope scope = Scope.open()) {
            return take(memory, dtype, length).memory().address();
        }
    }

    @Test
    void tensorsOfAPieceLieBehindOneAnother() {
        try (Scope scope = Scope.open();
                VisitMemory memory = new VisitMemory(1)) {
            List<Tensor> made = memory.empty(DType.BF16, Device.CPU, List.of(shape(3, 5), shape(7), shape(2, 2)));
            assertEquals(1, memory.pieces());
            assertArrayEquals(shape(3, 5), made.get(0).shape());
            assertEquals(DType.BF16, made.get(1).dtype());
            for (int i = 0; i < 3; i++) {
                assertTrue(made.get(i).isContiguous());
                assertEquals(
                        made.get(0).memory().address() + 64L * i,
                        made.get(i).memory().address());
            }
            made.forEach(t -> t.zero_());
            made.get(1).add_(Tensor.full(1, DType.BF16, Device.CPU, 7));
            assertArrayEquals(new float[4], made.get(2).reshape(4).toFloats());
        }
    }

    @Test
    void aPieceIsFreeWhenItsLastTensorIs() {
        try (VisitMemory memory = new VisitMemory(1)) {
            long first = addressOnce(memory, DType.FP32, 1000);
            assertEquals(first, addressOnce(memory, DType.BF16, 2000), "another type");
            try (Scope outer = Scope.open()) {
                Tensor kept;
                try (Scope scope = Scope.open()) {
                    Tensor made = take(memory, DType.FP32, 900);
                    assertEquals(first, made.memory().address());
                    kept = made.keep();
                }
                assertNotEquals(first, addressOnce(memory, DType.FP32, 1000));
                kept.close();
                assertEquals(2, memory.pieces());
            }
            assertEquals(first, addressOnce(memory, DType.FP32, 1000));
        }
    }

    @Test
    void aGradientHoldsItsPiece() {
        try (Scope outer = Scope.open();
                VisitMemory memory = new VisitMemory(1)) {
            Tensor leaf = Tensor.zeros(DType.FP32, 1000).requiresGrad_(true);
            long address;
            try (Scope scope = Scope.open()) {
                Tensor gradient = take(memory, DType.FP32, 1000);
                address = gradient.memory().address();
                leaf.setGrad(gradient);
            }
            assertNotEquals(address, addressOnce(memory, DType.FP32, 1000));
            leaf.setGrad(null);
            assertEquals(address, addressOnce(memory, DType.FP32, 1000));
        }
    }

    @Test
    void theSmallestThatFitsIsTakenAndOneTooSmallGoes() {
        try (VisitMemory memory = new VisitMemory(1)) {
            addressOnce(memory, DType.FP32, 1000);
            addressOnce(memory, DType.FP32, 4096);
            assertEquals(1, memory.pieces(), "the first was too small");
            addressOnce(memory, DType.FP32, 512);
            assertEquals(2, memory.pieces(), "a piece eight times as large is not for this");
            try (Scope scope = Scope.open()) {
                Tensor small = take(memory, DType.FP32, 400);
                Tensor large = take(memory, DType.FP32, 2000);
                assertEquals(2, memory.pieces());
                assertNotEquals(small.memory().address(), large.memory().address());
            }
        }
    }

    @Test
    void smallTensorsAreApart() {
        try (Scope scope = Scope.open();
                VisitMemory memory = new VisitMemory()) {
            List<Tensor> made = memory.empty(DType.FP32, Device.CPU, List.of(shape(4), shape(4)));
            assertEquals(0, memory.pieces());
            assertFalse(made.get(0).isShared());
        }
    }
}
