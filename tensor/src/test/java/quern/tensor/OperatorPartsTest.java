package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import quern.tensor.kernel.PartClock;
import quern.tensor.kernel.PartClock.Part;

class OperatorPartsTest {
    private static final long SIZE = 256;

    /** The parts of a softmax behind a linear map, forward and backward, within {@code outer}. */
    private static PartClock.Times times(Part outer) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.enableGrad()) {
            RandomStream random = new RandomStream(1);
            Tensor x = Tensor.randn(random, SIZE, SIZE).requiresGrad_(true);
            Tensor weight = Tensor.randn(random, SIZE, SIZE).requiresGrad_(true);
            Tensor cotangent = Tensor.randn(random, SIZE, SIZE);
            PartClock.start();
            Part before = PartClock.enter(outer);
            Tensor y = Functional.softmax(Functional.linear(x, weight, null), -1);
            Autograd.grad(List.of(y), List.of(x, weight), List.of(cotangent), false, false);
            PartClock.leave(before);
            return PartClock.stop();
        }
    }

    @Test
    void operatorsOfABlockCountByTheirNames() {
        try (OperatorParts operators = OperatorParts.listen()) {
            PartClock.Times times = times(Part.BLOCK);
            assertTrue(times.parts().get(Part.GEMM) > 0, times.toString());
            assertTrue(times.parts().get(Part.ATTENTION) > 0, times.toString());
            assertTrue(times.parts().get(Part.BLOCK) > 0, times.toString());
        }
    }

    @Test
    void elsewhereTheyBelongToThePartThatCalledThem() {
        try (OperatorParts operators = OperatorParts.listen()) {
            PartClock.Times times = times(Part.HEAD);
            assertEquals(0, times.parts().get(Part.GEMM));
            assertTrue(times.parts().get(Part.HEAD) > 0, times.toString());
        }
    }

    @Test
    void afterClosingNothingIsHeard() {
        OperatorParts.listen().close();
        PartClock.Times times = times(Part.BLOCK);
        assertEquals(0, times.parts().get(Part.GEMM));
        assertEquals(0, times.parts().get(Part.ATTENTION));
    }
}
