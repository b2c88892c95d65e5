package quern.optim.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

class DecompositionTest {
    @Test
    void aMatrixThatIsNotFiniteIsNamed() {
        try (Scope scope = Scope.open()) {
            Tensor matrices = Tensor.full(Double.NaN, DType.FP64, Device.CPU, 1, 4, 4);
            QuernException e = assertThrows(
                    QuernException.class,
                    () -> Decomposition.of(
                            () -> InverseRoot.of(matrices, 1e-12, 2), "parameter '%s' has no eigenvalues", "100%s"));
            assertEquals(ExitCode.FAILED, e.exitCode());
            assertTrue(
                    e.getMessage()
                            .matches(
                                    "parameter '100%s' has no eigenvalues \\(.+\\); lower learning_rate or clip the gradients \\(max_grad_norm\\)"),
                    e.getMessage());
        }
    }
}
