package quern.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import org.junit.jupiter.api.Test;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

class StateBufferTest {
    private static final int MOMENT = 0;
    private static final int ROWS = 1;
    private static final int CODES = 2;

    /** Counts in each buffer, so that every kind of state changes. */
    private static final class Counting extends Optimizer {
        Counting(List<ParameterGroup> groups, List<StateBuffer> buffers) {
            super(groups, 0, buffers);
        }

        Counting(ParameterGroup... groups) {
            this(
                    List.of(groups),
                    List.of(
                            StateBuffer.like("moment", state -> state.role() != ParameterRole.VECTOR),
                            StateBuffer.of(
                                    "rows",
                                    DType.FP32,
                                    state -> state.role() == ParameterRole.HIDDEN_MATRIX
                                            ? Optional.of(new long[] {
                                                state.parameter().value().size(0), 1
                                            })
                                            : Optional.empty()),
                            StateBuffer.of("codes", DType.UINT8, state -> Optional.of(new long[] {state.numel()}))));
        }

        @Override
        public Granularity granularity() {
            return Granularity.TENSOR;
        }

        @Override
        protected void update(List<ParameterState> states, double learningRate, double gradientScale) {
            for (ParameterState state : states) {
                for (int i = MOMENT; i <= CODES; i++) {
                    if (state.has(i)) {
                        state.buffer(i).add_(i + 1);
                    } else {
                        assertNull(state.buffer(i));
                    }
                }
            }
        }

        ParameterRole role(int index) {
            return states().get(index).role();
        }

        byte firstCode(int index) {
            return states().get(index).bufferMemory(CODES).get(ValueLayout.JAVA_BYTE, 0);
        }
    }

    private static Parameter parameter(String name, long... shape) {
        Parameter parameter = new Parameter(name, Tensor.zeros(DType.BF16, shape));
        parameter.value().setGrad(Tensor.zeros(DType.BF16, shape));
        return parameter;
    }

    @Test
    void eachParameterHasTheBuffersOfItsRoleAndShape() {
        try (Scope scope = Scope.open();
                Parameter table = parameter("table", 5, 2);
                Parameter weight = parameter("weight", 3, 4);
                Parameter bias = parameter("bias", 3);
                Counting optimizer = new Counting(
                        new ParameterGroup(
                                List.of(table), 1, OptionalDouble.empty(), Optional.of(ParameterRole.EMBEDDING)),
                        ParameterGroup.of(List.of(weight, bias)))) {
            assertEquals(ParameterRole.EMBEDDING, optimizer.role(0));
            assertEquals(ParameterRole.HIDDEN_MATRIX, optimizer.role(1));
            assertEquals(ParameterRole.VECTOR, optimizer.role(2));
            assertEquals(
                    Set.of(
                            "moment/table",
                            "moment/weight",
                            "rows/weight",
                            "codes/table",
                            "codes/weight",
                            "codes/bias",
                            "master/table",
                            "master/weight",
                            "master/bias",
                            "step/table",
                            "step/weight",
                            "step/bias"),
                    optimizer.state().keySet());
            assertArrayEquals(
                    new long[] {3, 1}, optimizer.state().get("rows/weight").shape());
            // Moments of 22 elements, rows of 3, a byte for each of 25 elements and its master, 3 counts.
            assertEquals(22 * 4 + 3 * 4 + 25 + 25 * 4 + 3 * 8, optimizer.stateBytes());
            optimizer.step(1, 1);
            optimizer.step(1, 1);
            assertEquals(6, optimizer.firstCode(2));
        }
    }

    @Test
    void allKindsOfStateAreSavedAndLoaded() {
        try (Scope scope = Scope.open();
                Parameter weight = parameter("weight", 3, 4);
                Counting optimizer = new Counting(ParameterGroup.of(List.of(weight)));
                Counting other = new Counting(ParameterGroup.of(List.of(weight)))) {
            optimizer.step(1, 1);
            Map<String, Tensor> saved = new LinkedHashMap<>();
            optimizer.state().forEach((name, tensor) -> saved.put(name, tensor.copy()));
            optimizer.step(1, 1);
            other.load(saved);
            other.step(1, 1);
            optimizer
                    .state()
                    .forEach((name, tensor) ->
                            assertTrue(tensor.equal(other.state().get(name)), name));
            assertFalse(saved.get("codes/weight").equal(other.state().get("codes/weight")));
        }
    }

    @Test
    void refusesTwoBuffersOfOneNameAndVectorsAsHiddenMatrices() {
        try (Scope scope = Scope.open();
                Parameter bias = parameter("bias", 3)) {
            List<ParameterGroup> groups = List.of(ParameterGroup.of(List.of(bias)));
            for (String name : List.of("moment", "master", "step")) {
                List<StateBuffer> buffers = List.of(StateBuffer.like("moment"), StateBuffer.like(name));
                IllegalArgumentException e =
                        assertThrows(IllegalArgumentException.class, () -> new Counting(groups, buffers));
                assertTrue(e.getMessage().contains("'" + name + "'"), e.getMessage());
            }
            IllegalArgumentException e = assertThrows(
                    IllegalArgumentException.class,
                    () -> new ParameterGroup(
                            List.of(bias), 1, OptionalDouble.empty(), Optional.of(ParameterRole.HIDDEN_MATRIX)));
            assertTrue(e.getMessage().contains("'bias' has 1 dimensions"), e.getMessage());
        }
    }
}
