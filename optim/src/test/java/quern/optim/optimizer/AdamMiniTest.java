package quern.optim.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import quern.optim.FusedOptimizerContract;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterRole;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.Kernels;

class AdamMiniTest extends FusedOptimizerContract {
    private static final OptimizerSettings SETTINGS = new OptimizerSettings(0, 0.9, 0.999, 1e-8);

    @Override
    protected OptimizerTechnique technique() {
        return new AdamMini();
    }

    @Override
    protected List<Variant> variants(Optional<Boolean> fused) {
        return List.of(new Variant(
                "rows", new AdamMini.Config(Optional.empty(), fused), SETTINGS, 0.05, OptionalDouble.of(0.05)));
    }

    private static Optimizer create(Optional<Integer> headDim, ParameterRole role, Parameter... parameters) {
        return create(headDim, Optional.empty(), role, parameters);
    }

    private static Optimizer create(
            Optional<Integer> headDim, Optional<Boolean> fused, ParameterRole role, Parameter... parameters) {
        return new AdamMini()
                .create(
                        List.of(new ParameterGroup(List.of(parameters), 1, OptionalDouble.empty(), Optional.of(role))),
                        SETTINGS,
                        new AdamMini.Config(headDim, fused));
    }

    /** Blocks shorter than a vector, longer than a slice, and with a rest; a share of a row a thread would be wrong. */
    @Test
    void theFusedStepIsThatOfTheOperatorsForBlocksOfAnyLength() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
        for (int[] shape : new int[][] {{4, 50_000}, {300, 3}, {7, 4_113}, {64, 512}, {2, 1}}) {
            try (Scope scope = Scope.open()) {
                RandomStream random = new RandomStream(12);
                Tensor start = Tensor.randn(random, shape[0], shape[1]);
                try (Parameter one = new Parameter("w", start.copy());
                        Parameter other = new Parameter("w", start.copy());
                        Optimizer fused =
                                create(Optional.empty(), Optional.of(true), ParameterRole.HIDDEN_MATRIX, one);
                        Optimizer operators =
                                create(Optional.empty(), Optional.of(false), ParameterRole.HIDDEN_MATRIX, other)) {
                    for (int step = 0; step < 5; step++) {
                        Tensor gradient = Tensor.randn(random, shape[0], shape[1]);
                        one.value().setGrad(gradient);
                        other.value().setGrad(gradient);
                        fused.step(0.01, 0.7);
                        operators.step(0.01, 0.7);
                    }
                    // Weights near 1; five steps with a few roundings each.
                    assertArrayEquals(other.value().toFloats(), one.value().toFloats(), 2e-6f);
                    assertArrayEquals(
                            operators.state().get("exp_avg_sq/w").toFloats(),
                            fused.state().get("exp_avg_sq/w").toFloats(),
                            1e-7f);
                }
            }
        }
    }

    @Test
    void theFirstStepOfARowHasTheLengthOfTheRateAndTheGradientsDirection() {
        try (Scope scope = Scope.open();
                Parameter weight = new Parameter("w", Tensor.zeros(DType.FP32, 6, 9));
                Optimizer optimizer = create(Optional.empty(), ParameterRole.HIDDEN_MATRIX, weight)) {
            Tensor gradient = Tensor.randn(new RandomStream(2), 6, 9).mul_(50);
            weight.value().setGrad(gradient);
            optimizer.step(0.1, 1);
            // Root of the mean square, whatever the row's size.
            Tensor lengths = gradient.square().mean(true, 1).sqrt();
            assertArrayEquals(
                    gradient.div(lengths).mul(-0.1).toFloats(), weight.value().toFloats(), 1e-6f);
        }
    }

    @Test
    void blocksFollowTheRole() {
        try (Scope scope = Scope.open();
                Parameter hidden = new Parameter("h.mlp.weight", Tensor.zeros(DType.FP32, 6, 3, 2));
                Parameter query = new Parameter("h.0.q_proj.weight", Tensor.zeros(DType.FP32, 8, 5));
                Parameter value = new Parameter("h.0.v_proj.weight", Tensor.zeros(DType.FP32, 8, 5));
                Parameter norm = new Parameter("h.norm.weight", Tensor.zeros(DType.FP32, 7));
                Parameter bias = new Parameter("h.mlp.bias", Tensor.zeros(DType.FP32, 7));
                Parameter scalar = new Parameter("scale", Tensor.zeros(DType.FP32));
                Parameter table = new Parameter("embed.weight", Tensor.zeros(DType.FP32, 11, 4));
                Optimizer matrices = create(Optional.of(4), ParameterRole.HIDDEN_MATRIX, hidden, query, value);
                Optimizer vectors = create(Optional.of(4), ParameterRole.VECTOR, norm, bias, scalar);
                Optimizer tables = create(Optional.of(4), ParameterRole.EMBEDDING, table)) {
            assertEquals(6, blocks(matrices, hidden), "a block a neuron");
            assertEquals(2, blocks(matrices, query), "a block a head");
            assertEquals(8, blocks(matrices, value), "values: a block a neuron");
            assertEquals(1, blocks(vectors, norm), "one block");
            assertEquals(7, blocks(vectors, bias), "a block an element");
            assertEquals(1, blocks(vectors, scalar));
            assertEquals(11, blocks(tables, table), "a block a token");
        }
    }

    private static long blocks(Optimizer optimizer, Parameter parameter) {
        return optimizer.state().get("exp_avg_sq/" + parameter.name()).numel();
    }

    /** A head is what a row is in the same numbers laid out with a row a head. */
    @Test
    void aHeadSharesOneSecondMoment() {
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(6);
            Tensor start = Tensor.randn(random, 8, 5);
            try (Parameter query = new Parameter("q_proj.weight", start.copy());
                    Parameter heads = new Parameter("heads", start.copy().view(2, 20));
                    Optimizer a = create(Optional.of(4), ParameterRole.HIDDEN_MATRIX, query);
                    Optimizer b = create(Optional.empty(), ParameterRole.HIDDEN_MATRIX, heads)) {
                for (int step = 0; step < 5; step++) {
                    Tensor gradient = Tensor.randn(random, 8, 5);
                    query.value().setGrad(gradient);
                    heads.value().setGrad(gradient.view(2, 20));
                    a.step(0.01, 1);
                    b.step(0.01, 1);
                }
                assertArrayEquals(heads.value().toFloats(), query.value().toFloats());
            }
        }
    }

    @Test
    void halfTheStateOfAdamW() {
        try (Scope scope = Scope.open();
                Parameter weight = new Parameter("w", Tensor.zeros(DType.FP32, 64, 256));
                Optimizer optimizer = create(Optional.empty(), ParameterRole.HIDDEN_MATRIX, weight)) {
            assertEquals(4 * 64 * 256 + 4 * 64 + 8, optimizer.stateBytes());
        }
    }

    @Test
    void rowsThatAreNoWholeHeadsAreRefused() {
        try (Scope scope = Scope.open();
                Parameter key = new Parameter("h.0.key.weight", Tensor.zeros(DType.FP32, 10, 4))) {
            QuernException e =
                    assertThrows(QuernException.class, () -> create(Optional.of(4), ParameterRole.HIDDEN_MATRIX, key));
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertTrue(e.getMessage().startsWith("optim_args.head_dim: found 4, but 'h.0.key.weight' has 10 rows"));
        }
    }
}
