package quern.optim.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import quern.optim.Optimizer;
import quern.optim.OptimizerContract;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.optimizer.Shampoo.Grafting;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Linalg;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

class ShampooTest extends OptimizerContract {
    @Override
    protected OptimizerTechnique technique() {
        return new Shampoo();
    }

    @Override
    protected List<Variant> variants() {
        return List.of(
                variant("plain", new Shampoo.Config(1e-6, 0, Grafting.NONE, 1, 8), 0.5, OptionalDouble.of(1.5)),
                // Roots that lag in a bent valley: it comes to 0.978, a hair outside of what counts as solved.
                variant("adam-length", new Shampoo.Config(1e-6, 0, Grafting.ADAM, 5, 12), 0.02, OptionalDouble.empty()),
                variant(
                        "sgd-length",
                        new Shampoo.Config(1e-8, 0.9, Grafting.SGD, 10, 16),
                        0.1,
                        OptionalDouble.of(5e-4)));
    }

    private static Variant variant(
            String name, Shampoo.Config config, double quadraticRate, OptionalDouble rosenbrockRate) {
        return new Variant(name, config, OptimizerSettings.DEFAULT, quadraticRate, rosenbrockRate);
    }

    private static Variant variant(String name, Shampoo.Config config) {
        return variant(name, config, 0, OptionalDouble.empty());
    }

    private static Variant whole(double epsilon) {
        return variant("whole", new Shampoo.Config(epsilon, 0, Grafting.NONE, 1, 0));
    }

    @Test
    void theFirstStepOfAMatrixIsOrthogonal() {
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 12, 12));
                Optimizer optimizer = create(whole(1e-12), List.of(parameter))) {
            parameter.value().setGrad(Tensor.randn(new RandomStream(4), 12, 12));
            optimizer.step(1, 1);
            // With G = UΣVᵀ: (GGᵀ)^(-1/4)·G·(GᵀG)^(-1/4) = UVᵀ.
            Tensor step = parameter.value().detach();
            Tensor gram = step.matmul(step.t());
            Tensor identity =
                    Tensor.full(1, DType.FP32, Device.CPU, 12, 12).tril(0).triu(0);
            // fp32 products with roots whose condition is that of G's root, about 10.
            assertEquals(0, gram.sub(identity).abs().max().item(), 2e-5);
        }
    }

    @Test
    void aVectorIsPreconditionedAsByFullMatrixAdaGrad() {
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 3));
                Optimizer optimizer = create(whole(1e-12), List.of(parameter))) {
            parameter.value().setGrad(Tensor.of(new float[] {3, 0, 4}, 3));
            optimizer.step(0.5, 1);
            // (ggᵀ)^(-1/2)·g is g over its length.
            assertArrayEquals(new float[] {-0.3f, 0, -0.4f}, parameter.value().toFloats(), 1e-6f);
            parameter.value().setGrad(Tensor.of(new float[] {0, 2, 0}, 3));
            optimizer.step(0.5, 1);
            // A new direction has a sum of its own.
            assertArrayEquals(
                    new float[] {-0.3f, -0.5f, -0.4f}, parameter.value().toFloats(), 1e-6f);
        }
    }

    @Test
    void aScalarIsAVectorOfOneElement() {
        try (Scope scope = Scope.open();
                Parameter scalar = new Parameter("s", Tensor.zeros(DType.FP32));
                Parameter vector = new Parameter("v", Tensor.zeros(DType.FP32, 1));
                Optimizer optimizer = create(variants().getFirst(), List.of(scalar, vector))) {
            for (int step = 0; step < 3; step++) {
                scalar.value().setGrad(Tensor.full(0.5 + step, DType.FP32, Device.CPU));
                vector.value().setGrad(Tensor.full(0.5 + step, DType.FP32, Device.CPU, 1));
                optimizer.step(0.1, 1);
            }
            assertEquals(vector.value().toFloats()[0], scalar.value().toFloats()[0]);
            // 0.1·(1 + 1.5/√(0.25+2.25) + 2.5/√(0.25+2.25+6.25))
            assertEquals(
                    -0.1 * (1 + 1.5 / Math.sqrt(2.5) + 2.5 / Math.sqrt(8.75)),
                    scalar.value().item(),
                    1e-6);
        }
    }

    @Test
    void blocksAreTensorsOfTheirOwn() {
        try (Scope scope = Scope.open()) {
            Tensor start = Tensor.randn(new RandomStream(1), 6, 7, 3);
            List<Parameter> parts = new ArrayList<>();
            List<long[]> corners = new ArrayList<>();
            for (long row = 0; row < 6; row += 4) {
                for (long column = 0; column < 7; column += 4) {
                    corners.add(new long[] {row, column});
                    parts.add(new Parameter(
                            "p" + parts.size(), part(start, row, column).copy()));
                }
            }
            Variant blocked = variant("blocked", new Shampoo.Config(1e-4, 0.5, Grafting.NONE, 2, 4));
            Variant whole = variant("whole", new Shampoo.Config(1e-4, 0.5, Grafting.NONE, 2, 0));
            try (Parameter together = new Parameter("x", start.copy());
                    Optimizer a = create(blocked, List.of(together));
                    Optimizer b = create(whole, parts)) {
                for (int step = 0; step < 5; step++) {
                    Tensor gradient = Tensor.randn(new RandomStream(10 + step), 6, 7, 3);
                    together.value().setGrad(gradient);
                    for (int i = 0; i < parts.size(); i++) {
                        parts.get(i)
                                .value()
                                .setGrad(part(gradient, corners.get(i)[0], corners.get(i)[1])
                                        .contiguous());
                    }
                    a.step(0.1, 1);
                    b.step(0.1, 1);
                }
                for (int i = 0; i < parts.size(); i++) {
                    Tensor mine = part(together.value().detach(), corners.get(i)[0], corners.get(i)[1]);
                    // Products of small matrices, summed in another order.
                    assertArrayEquals(mine.toFloats(), parts.get(i).value().toFloats(), 1e-5f, "block " + i);
                }
                assertEquals(
                        a.stateBytes() + 8L * (parts.size() - 1), b.stateBytes(), "one step count for each parameter");
            } finally {
                parts.forEach(Parameter::close);
            }
        }
    }

    private static Tensor part(Tensor x, long row, long column) {
        return x.narrow(0, row, Math.min(4, 6 - row)).narrow(1, column, Math.min(4, 7 - column));
    }

    @Test
    void graftedStepsHaveTheOthersLength() {
        for (Grafting grafting : List.of(Grafting.SGD, Grafting.ADAM)) {
            Variant variant = variant("length", new Shampoo.Config(1e-6, 0, grafting, 1, 4));
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 10, 10));
                    Optimizer optimizer = create(variant, List.of(parameter))) {
                Tensor gradient = Tensor.randn(new RandomStream(1), 10, 10);
                parameter.value().setGrad(gradient);
                optimizer.step(0.25, 1);
                double length =
                        Math.sqrt(parameter.value().detach().square().sum().item());
                // Adam's first step is of size 1 in every element.
                double expected = grafting == Grafting.SGD
                        ? Math.sqrt(gradient.square().sum().item())
                        : 10;
                assertEquals(0.25 * expected, length, 1e-5 * expected);
            }
        }
    }

    /** Gradients on which inverse roots are hard to take. */
    private static Map<String, List<Tensor>> hardGradients() {
        RandomStream random = new RandomStream(9);
        Tensor row = Tensor.randn(random, 1, 30);
        Tensor column = Tensor.randn(random, 40, 1);
        Tensor zero = Tensor.zeros(DType.FP32, 40, 30);
        Tensor dense = Tensor.randn(random, 40, 30);
        Tensor spread =
                dense.mul(Tensor.arange(30, DType.FP32, Device.CPU).mul(-2.3).exp());
        Tensor onlyOneElement = zero.copy();
        onlyOneElement.narrow(0, 3, 1).narrow(1, 4, 1).fill_(1);
        return Map.of(
                "zero", List.of(zero),
                "rank one", List.of(column.mul(row)),
                "one element", List.of(onlyOneElement),
                "columns from 1 to 1e-29", List.of(spread),
                "1e-30", List.of(dense.mul(1e-30)),
                "1e15", List.of(dense.mul(1e15)),
                "1e-30 to 1e15", List.of(dense.mul(1e-30), column.mul(row).mul(1e15), zero, dense),
                "1e15 to 1e-30", List.of(column.mul(row).mul(1e15), dense.mul(1e-30), dense.mul(1e-10)));
    }

    @Test
    void hardGradientsLeaveTheWeightsFinite() {
        List<Shampoo.Config> configs = List.of(
                new Shampoo.Config(1e-12, 0, Grafting.NONE, 1, 0),
                new Shampoo.Config(1e-12, 0.9, Grafting.ADAM, 3, 16),
                new Shampoo.Config(1e-12, 0.9, Grafting.SGD, 3, 16));
        try (Scope scope = Scope.open()) {
            hardGradients().forEach((name, gradients) -> {
                for (Shampoo.Config config : configs) {
                    try (Parameter matrix = new Parameter("m", Tensor.zeros(DType.FP32, 40, 30));
                            Parameter vector = new Parameter("v", Tensor.zeros(DType.FP32, 30));
                            Optimizer optimizer = create(variant("hard", config), List.of(matrix, vector))) {
                        for (int step = 0; step < 24; step++) {
                            Tensor gradient = gradients.get(step % gradients.size());
                            matrix.value().setGrad(gradient);
                            vector.value().setGrad(gradient.select(0, 3).contiguous());
                            optimizer.step(1e-3, 1);
                        }
                        String what = name + ", " + config;
                        assertAllFinite(what, matrix.value().detach());
                        assertAllFinite(what, vector.value().detach());
                        optimizer.state().forEach((key, tensor) -> assertAllFinite(what + ", " + key, tensor));
                    }
                }
            });
        }
    }

    private static void assertAllFinite(String what, Tensor x) {
        assertTrue(allFinite(x), what);
    }

    private static boolean allFinite(Tensor x) {
        return x.isFinite().logicalNot().to(DType.FP32).sum().item() == 0;
    }

    /** The formula as it stands, in fp32: statistics that start as εI, roots of the eigenvalues as they come. */
    private static boolean unprotectedStaysFinite(List<Tensor> gradients, double epsilon) {
        Tensor rows =
                Tensor.full(epsilon, DType.FP32, Device.CPU, 40, 40).tril(0).triu(0);
        Tensor columns =
                Tensor.full(epsilon, DType.FP32, Device.CPU, 30, 30).tril(0).triu(0);
        Tensor weight = Tensor.zeros(DType.FP32, 40, 30);
        try {
            for (int step = 0; step < 24; step++) {
                Tensor gradient = gradients.get(step % gradients.size());
                rows.add_(gradient.matmul(gradient.t()));
                columns.add_(gradient.t().matmul(gradient));
                weight.sub_(power(rows).matmul(gradient).matmul(power(columns)).mul(1e-3));
            }
        } catch (quern.tensor.TensorException e) {
            return false;
        }
        return allFinite(weight);
    }

    private static Tensor power(Tensor symmetric) {
        Linalg.Eigen eigen = Linalg.symmetricEigen(symmetric);
        return eigen.vectors()
                .mul(eigen.values().pow(-0.25))
                .matmul(eigen.vectors().t());
    }

    @Test
    void theUnprotectedFormulaDoesNotSurviveThem() {
        try (Scope scope = Scope.open()) {
            Map<String, List<Tensor>> hard = hardGradients();
            for (String name : List.of("rank one", "columns from 1 to 1e-29", "1e15", "1e-30 to 1e15")) {
                assertFalse(unprotectedStaysFinite(hard.get(name), 1e-12), name);
            }
        }
    }

    /** The largest loss in the second half of 1,000 steps at a constant rate, over the first. */
    private double unrest(Shampoo.Config config, double rate) {
        double[] losses = languageModelLosses(variant("long", config), 1_000, step -> rate);
        return Arrays.stream(losses, 500, losses.length).max().getAsDouble() / losses[0];
    }

    /** Long after the text is known by heart gradients are tiny and of low rank, and old statistics are large. */
    @Test
    void aThousandStepsAtAConstantRateStayStable() {
        assertEquals(0, unrest(new Shampoo.Config(1e-12, 0, Grafting.NONE, 1, 0), 0.3), 0.1);
        assertEquals(0, unrest(new Shampoo.Config(1e-12, 0, Grafting.ADAM, 10, 16), 0.003), 0.1);
    }

    /** The first roots stretch what their gradients were blind to by up to 1e6; grafting takes the length away. */
    @Test
    void oldRootsNeedGraftingWhereEpsilonIsSmall() {
        assertTrue(unrest(new Shampoo.Config(1e-12, 0.9, Grafting.NONE, 10, 16), 0.03) > 100);
        assertEquals(0, unrest(new Shampoo.Config(1e-12, 0.9, Grafting.SGD, 10, 16), 0.03), 0.1);
    }

    @Test
    void noDirectionIsAmplifiedBeyondWhatRoundingLeavesOfIt() {
        // Rank one and vast, after which everything else is noise: the step must not be made of that.
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 40, 30));
                Optimizer optimizer = create(whole(1e-12), List.of(parameter))) {
            RandomStream random = new RandomStream(2);
            // Factors of 8 bits and a power of two: their products are exact, so this is of rank one in fp32 too.
            Tensor column = Tensor.randn(random, 40, 1).to(DType.BF16).to(DType.FP32);
            Tensor row = Tensor.randn(random, 1, 30).to(DType.BF16).to(DType.FP32);
            Tensor gradient = column.mul(row).mul(0x1p50);
            parameter.value().setGrad(gradient);
            optimizer.step(1, 1);
            Tensor expected = gradient.div(
                    -Math.sqrt(gradient.to(DType.FP64).square().sum().item()));
            // (uuᵀσ²)^(-1/4)·σuvᵀ·(vvᵀσ²)^(-1/4) = uvᵀ. The roots' range is (40·2⁻⁵²)^(-1/4), 3,200: what fp32
            // multiplication
            // rounds off at the rows would be multiplied by that at the columns.
            assertArrayEquals(expected.toFloats(), parameter.value().toFloats(), 1e-6f);
        }
    }

    @Test
    void longSidesNeedBlocks() {
        try (Scope scope = Scope.open();
                Parameter table = new Parameter("embed.weight", Tensor.zeros(DType.FP32, 2049, 2))) {
            QuernException e = assertThrows(QuernException.class, () -> create(whole(1e-6), List.of(table)));
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertTrue(e.getMessage().contains("'embed.weight' has a side of 2049"), e.getMessage());
            assertTrue(e.getMessage().contains("block_size"), e.getMessage());
            table.setTrainable(false);
            try (Parameter small = new Parameter("small", Tensor.zeros(DType.FP32, 2048, 1))) {
                // A frozen one is not preconditioned.
                create(whole(1e-6), List.of(table, small)).close();
            }
            table.setTrainable(true);
            create(variants().getFirst(), List.of(table)).close();
        }
    }

    @Test
    void badSettingsAreRefusedByKey() {
        assertRefused("epsilon", Map.of("epsilon", 0));
        assertRefused("momentum", Map.of("momentum", 1));
        assertRefused("grafting", Map.of("grafting", "adamw"));
        assertRefused("refresh_steps", Map.of("refresh_steps", 0));
        assertRefused("block_size", Map.of("block_size", -1));
        assertRefused("block_size", Map.of("block_sze", 4));
        Shampoo.Config defaults = Block.empty(Position.of("optim_args")).bind(Shampoo.Config.class);
        assertEquals(new Shampoo.Config(1e-6, 0, Grafting.NONE, 1, 0), defaults);
    }

    private static void assertRefused(String key, Map<String, Object> args) {
        Block block = Block.empty(Position.of("optim_args"));
        for (var entry : args.entrySet()) {
            block = block.with(entry.getKey(), entry.getValue());
        }
        Block written = block;
        QuernException e = assertThrows(QuernException.class, () -> written.bind(Shampoo.Config.class));
        assertTrue(e.getMessage().contains(key), e.getMessage());
    }
}
