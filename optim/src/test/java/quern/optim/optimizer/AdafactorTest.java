package quern.optim.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import quern.optim.Optimizer;
import quern.optim.OptimizerContract;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.internal.OptimizerReplay;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.GoldenCase;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import tools.jackson.databind.json.JsonMapper;

class AdafactorTest extends OptimizerContract {
    private static final List<Double> EPS = List.of(1e-30, 1e-3);

    @Override
    protected OptimizerTechnique technique() {
        return new Adafactor();
    }

    @Override
    protected List<Variant> variants() {
        OptimizerSettings settings = OptimizerSettings.DEFAULT;
        return List.of(
                new Variant(
                        "scheduled", config(false, false, Optional.empty()), settings, 0.02, OptionalDouble.of(0.02)),
                new Variant("scaled", config(true, false, Optional.empty()), settings, 0.05, OptionalDouble.of(0.02)),
                new Variant(
                        "momentum", config(false, false, Optional.of(0.9)), settings, 0.02, OptionalDouble.of(0.02)));
    }

    /** It takes no rate, so it can't be made to settle on the contract's problems. */
    private static final Variant RELATIVE = new Variant(
            "relative", config(true, true, Optional.empty()), OptimizerSettings.DEFAULT, 0, OptionalDouble.empty());

    private static Adafactor.Config config(boolean scaled, boolean relative, Optional<Double> beta1) {
        return new Adafactor.Config(scaled, relative, false, 1, -0.8, beta1, EPS);
    }

    @Test
    void keepsRowsAndColumnsOfSquaredGradientsWhoseMeansAgree() {
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.randn(new RandomStream(1), 3, 40, 25));
                Optimizer optimizer = create(variants().getFirst(), List.of(parameter))) {
            RandomStream random = new RandomStream(2);
            for (int step = 0; step < 10; step++) {
                parameter.value().setGrad(Tensor.randn(random, 3, 40, 25));
                optimizer.step(0.01, 1);
            }
            Tensor row = optimizer.state().get("exp_avg_sq_row/x");
            Tensor column = optimizer.state().get("exp_avg_sq_col/x");
            assertArrayEquals(new long[] {3, 40}, row.shape());
            assertArrayEquals(new long[] {3, 25}, column.shape());
            // Both are means of one matrix of running averages (the paper's r·1 = c·1), in roundings of fp32.
            assertArrayEquals(
                    row.mean(false, -1).toFloats(), column.mean(false, -1).toFloats(), 1e-5f);
        }
    }

    @Test
    void aRankOneSecondMomentIsKeptExactly() {
        try (Scope scope = Scope.open()) {
            Tensor gradient = Tensor.of(new float[] {1, -2, 4}, 3, 1).mul(Tensor.of(new float[] {3, 0.5f}, 1, 2));
            try (Parameter parameter = new Parameter("x", Tensor.of(new float[6], 3, 2));
                    Optimizer optimizer = create(variants().getFirst(), List.of(parameter))) {
                parameter.value().setGrad(gradient);
                optimizer.step(0.1, 1);
                // Each gradient over its own size: the step is the rate against its sign.
                assertArrayEquals(
                        new float[] {-0.1f, -0.1f, 0.1f, 0.1f, -0.1f, -0.1f},
                        parameter.value().toFloats(),
                        1e-6f);
            }
        }
    }

    @Test
    void stateIsThatOfRowsAndColumns() {
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.randn(new RandomStream(1), 512, 256));
                Optimizer optimizer = create(variants().getFirst(), List.of(parameter))) {
            assertEquals(4 * (512 + 256) + 8, optimizer.stateBytes());
        }
    }

    @Test
    void relativeStepsAreInProportionToTheWeightsAndDeafToTheRate() {
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.of(new float[] {3, -4, 5, 0}, 4));
                Optimizer optimizer = create(RELATIVE, List.of(parameter))) {
            parameter.value().setGrad(Tensor.of(new float[] {1, -1, 1, -1}, 4));
            optimizer.step(123, 1);
            // ρ = 0.01 times the root mean square √(50/4); every normalised gradient is of size 1.
            float step = (float) (0.01 * Math.sqrt(50 / 4.0));
            assertArrayEquals(
                    new float[] {3 - step, -4 + step, 5 - step, step},
                    parameter.value().toFloats(),
                    1e-6f);
        }
    }

    @Test
    void zeroAndVastGradientsLeaveTheWeightsFinite() {
        for (double scale : new double[] {0, 1e-30, 1e15}) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.randn(new RandomStream(1), 12, 9));
                    Optimizer optimizer = create(RELATIVE, List.of(parameter))) {
                for (int step = 0; step < 20; step++) {
                    parameter
                            .value()
                            .setGrad(Tensor.randn(new RandomStream(step), 12, 9).mul(scale));
                    optimizer.step(1, 1);
                }
                for (float x : parameter.value().toFloats()) {
                    assertTrue(Float.isFinite(x), "scale " + scale);
                }
            }
        }
    }

    @Test
    void theRelativeRateIsItsOwnSchedule() {
        Adafactor adafactor = new Adafactor();
        assertTrue(adafactor.ownRate(config(true, false, Optional.empty())).isEmpty());
        var own = adafactor.ownRate(config(true, true, Optional.empty())).orElseThrow();
        assertEquals("relative_step", own.key());
        assertEquals(1e-2, own.schedule().rate(0));
        assertEquals(1e-2, own.schedule().rate(9_999));
        assertEquals(1e-3, own.schedule().rate(999_999), 1e-12);
        var warmed = adafactor
                .ownRate(new Adafactor.Config(true, true, true, 1, -0.8, Optional.empty(), EPS))
                .orElseThrow();
        assertEquals(1e-6, warmed.schedule().rate(0));
        assertEquals(1e-4, warmed.schedule().rate(99), 1e-12);
        assertEquals(0.01, warmed.schedule().rate(9_999), 1e-12);
    }

    @Test
    void aRateBesideRelativeStepIsRefused() {
        String json =
                "{\"kind\":\"optimizer\",\"name\":\"x\",\"optim\":\"adafactor\",\"config\":{\"learning_rate\":0.1},\"steps\":1}";
        GoldenCase golden = new GoldenCase(
                Path.of("somewhere"), "optimizer", "x", JsonMapper.shared().readTree(json));
        QuernException e = assertThrows(QuernException.class, () -> new OptimizerReplay().replay(golden));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(
                e.getMessage().contains("learning_rate has no effect beside optim_args.relative_step"), e.getMessage());
    }

    @Test
    void contradictionsAreRefusedByKey() {
        assertRefused("warmup_init", Map.of("warmup_init", true, "relative_step", false));
        assertRefused("eps", Map.of("eps", List.of(1e-30)));
        assertRefused("eps", Map.of("eps", List.of(0, 1e-3)));
        assertRefused("eps", Map.of("eps", List.of(1e-30, -1)));
        assertRefused("decay_rate", Map.of("decay_rate", 0.8));
        assertRefused("clip_threshold", Map.of("clip_threshold", 0));
        assertRefused("beta1", Map.of("beta1", 1));
        assertRefused("relative_step", Map.of("relative_stp", true));
        Adafactor.Config defaults = Block.empty(Position.of("optim_args")).bind(Adafactor.Config.class);
        assertTrue(defaults.relativeStep() && defaults.scaleParameter());
        assertFalse(defaults.warmupInit());
        assertEquals(EPS, defaults.eps());
    }

    private static void assertRefused(String key, Map<String, Object> args) {
        Block block = Block.empty(Position.of("optim_args"));
        for (var entry : args.entrySet()) {
            block = block.with(entry.getKey(), entry.getValue());
        }
        Block written = block;
        QuernException e = assertThrows(QuernException.class, () -> written.bind(Adafactor.Config.class));
        assertTrue(e.getMessage().contains(key), e.getMessage());
    }
}
