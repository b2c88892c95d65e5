package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Gradient modes, the two walks, and parameters' gradients. */
class AutogradTest {
    private static Tensor leaf(float... values) {
        return Tensor.of(values, values.length).requiresGrad_(true);
    }

    @Test
    void modesNestAndRestore() {
        assertTrue(Autograd.isEnabled());
        try (Scope scope = Scope.open()) {
            Tensor x = leaf(1, 2);
            try (Autograd.Mode off = Autograd.noGrad()) {
                assertFalse(x.mul(2).requiresGrad());
                try (Autograd.Mode on = Autograd.enableGrad()) {
                    assertTrue(x.mul(2).requiresGrad());
                }
                assertFalse(Autograd.isEnabled());
            }
            assertTrue(x.mul(2).requiresGrad());
            assertThrows(IllegalStateException.class, () -> {
                try (Autograd.Mode off = Autograd.noGrad()) {
                    throw new IllegalStateException("on purpose");
                }
            });
            assertTrue(Autograd.isEnabled(), "an exception restores the mode");
        }
    }

    @Test
    void modesBelongToTheThread() throws InterruptedException {
        boolean[] other = {false};
        try (Autograd.Mode off = Autograd.noGrad()) {
            Thread t = Thread.ofPlatform().start(() -> other[0] = Autograd.isEnabled());
            t.join();
        }
        assertTrue(other[0]);
    }

    @Test
    void backwardAddsToLeaves() {
        try (Scope scope = Scope.open()) {
            Tensor x = leaf(1, 2, 3);
            assertFalse(x.grad().isDefined());
            Tensor seed = Tensor.of(new float[] {1, 10, 100}, 3);
            Autograd.backward(List.of(x.square()), List.of(seed));
            Autograd.backward(List.of(x.mul(2)), List.of(seed));
            assertArrayEquals(new float[] {4, 60, 800}, x.grad().toFloats());
            assertArrayEquals(new float[] {1, 10, 100}, seed.toFloats());
            x.setGrad(null);
            assertFalse(x.grad().isDefined());
        }
    }

    @Test
    void gradTouchesNoLeafAndMarksTheUnused() {
        try (Scope scope = Scope.open()) {
            Tensor x = leaf(2);
            Tensor unused = leaf(5);
            Tensor one = Tensor.of(new float[] {1}, 1);
            Tensor y = x.mul(x).mul(x);
            List<Tensor> first = Autograd.grad(List.of(y), List.of(x, unused), List.of(one), true, true);
            assertEquals(12, first.get(0).item());
            assertFalse(first.get(1).isDefined());
            assertEquals("undefined", first.get(1).toString());
            assertEquals(
                    12,
                    Autograd.grad(List.of(first.get(0)), List.of(x), List.of(one), false, false)
                            .get(0)
                            .item());
            assertFalse(x.grad().isDefined());
        }
    }

    @Test
    void errorsAreOneLine() {
        try (Scope scope = Scope.open()) {
            Tensor x = leaf(1, 2);
            TensorException e = assertThrows(
                    TensorException.class,
                    () -> Autograd.backward(List.of(x.mul(2)), List.of(Tensor.zeros(DType.FP32, 3))));
            assertTrue(e.getMessage().startsWith("backward(fp32[2])"), e.getMessage());
            assertThrows(TensorException.class, () -> x.add_(1), "a leaf is not written in place");
        }
    }

    @Test
    void parameterIsALeafOfItsOwn() {
        long kept = Tensor.keptHandles();
        try (Scope scope = Scope.open()) {
            Tensor x = leaf(1, 2);
            Parameter p = new Parameter("p", x.mul(2));
            assertTrue(p.isTrainable() && p.value().requiresGrad());
            Autograd.backward(List.of(p.value().square().sum()), List.of(Tensor.full(1, DType.FP32, Device.CPU)));
            assertArrayEquals(new float[] {4, 8}, p.grad().toFloats());
            assertFalse(x.grad().isDefined(), "the graph that made the value is cut");
            p.setTrainable(false);
            assertFalse(p.grad().isDefined() || p.value().requiresGrad() || p.isTrainable());
            p.setTrainable(true);
            assertTrue(p.value().requiresGrad());
            p.close();
            p.close();
        }
        assertEquals(kept, Tensor.keptHandles());
    }

    @Test
    void integerParametersStayFrozen() {
        try (Scope scope = Scope.open();
                Parameter p = new Parameter("packed", Tensor.zeros(DType.INT8, 4))) {
            assertFalse(p.isTrainable());
            p.setTrainable(false);
            IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> p.setTrainable(true));
            assertTrue(e.getMessage().startsWith("packed is int8[4]"), e.getMessage());
        }
    }

    @Test
    void addedGradientsAreCopies() {
        try (Scope scope = Scope.open();
                Parameter p = new Parameter("p", Tensor.zeros(DType.FP32, 2))) {
            Tensor g = Tensor.of(new float[] {1, 2}, 2);
            p.addGrad(g);
            p.addGrad(g);
            assertArrayEquals(new float[] {2, 4}, p.grad().toFloats());
            assertArrayEquals(new float[] {1, 2}, g.toFloats());
            p.clearGrad();
            p.accumulateInFp32();
            p.addGrad(g.to(DType.BF16));
            assertArrayEquals(new float[] {1, 2}, p.grad().toFloats());
        }
    }

    @Test
    void setDataKeepsTheLeafsPlaceInTheGraph() {
        try (Scope scope = Scope.open();
                Parameter p = new Parameter("p", Tensor.zeros(DType.FP32, 2))) {
            p.value().setData(Tensor.of(new float[] {3, 4}, 2));
            Autograd.backward(List.of(p.value().square().sum()), List.of(Tensor.full(1, DType.FP32, Device.CPU)));
            assertArrayEquals(new float[] {6, 8}, p.grad().toFloats());
        }
    }
}
