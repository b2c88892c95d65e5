package quern.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import quern.optim.optimizer.AdamW;
import quern.optim.optimizer.Sgd;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Techniques;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

class CompositeOptimizerTest {
    private static final Sgd.Config MOMENTUM = new Sgd.Config(0.9, false, 0, Optional.of(false));
    private static final OptimizerSettings SETTINGS = new OptimizerSettings(0.1, 0.9, 0.99, 1e-8);

    private final List<Parameter> all = new ArrayList<>();
    private Scope scope;
    private long kept;

    @BeforeEach
    void open() {
        kept = Tensor.keptHandles();
        scope = Scope.open();
    }

    @AfterEach
    void close() {
        all.forEach(Parameter::close);
        scope.close();
        assertEquals(kept, Tensor.keptHandles(), "handles left behind");
    }

    private List<Parameter> parameters(DType dtype) {
        List<Parameter> made = List.of(
                new Parameter("matrix", Tensor.randn(new RandomStream(1), 5, 3).to(dtype)),
                new Parameter("other", Tensor.randn(new RandomStream(2), 4, 3).to(dtype)),
                new Parameter("vector", Tensor.randn(new RandomStream(3), 7).to(dtype)));
        all.addAll(made);
        return made;
    }

    private static Optimizer sgd(List<Parameter> parameters) {
        return new Sgd().create(List.of(ParameterGroup.of(parameters)), SETTINGS, MOMENTUM);
    }

    private static Optimizer adamw(List<Parameter> parameters) {
        return new AdamW()
                .create(List.of(ParameterGroup.of(parameters)), SETTINGS, new AdamW.Config(Optional.of(false)));
    }

    private static Optimizer composite(List<Parameter> parameters) {
        return new CompositeOptimizer(
                List.of(sgd(parameters.subList(0, 1)), adamw(parameters.subList(1, parameters.size()))));
    }

    private static void gradients(List<Parameter> parameters, int step) {
        for (int i = 0; i < parameters.size(); i++) {
            Parameter p = parameters.get(i);
            p.value()
                    .setGrad(Tensor.randn(
                                    new RandomStream(100L * step + i), p.value().shape())
                            .to(p.value().dtype()));
        }
    }

    private static void assertSame(List<Parameter> expected, List<Parameter> actual) {
        for (int i = 0; i < expected.size(); i++) {
            assertArrayEquals(
                    expected.get(i).value().to(DType.FP32).toFloats(),
                    actual.get(i).value().to(DType.FP32).toFloats(),
                    expected.get(i).name());
        }
    }

    @Test
    void stepsAsItsMembersWouldAlone() {
        for (DType dtype : List.of(DType.FP32, DType.BF16)) {
            List<Parameter> alone = parameters(dtype);
            List<Parameter> together = parameters(dtype);
            try (Optimizer first = sgd(alone.subList(0, 1));
                    Optimizer second = adamw(alone.subList(1, 3));
                    Optimizer both = composite(together)) {
                assertEquals(first.stateBytes() + second.stateBytes(), both.stateBytes());
                Set<String> names = new HashSet<>(first.state().keySet());
                names.addAll(second.state().keySet());
                assertEquals(names, both.state().keySet());
                assertEquals(Granularity.ELEMENT, both.granularity());
                for (int step = 0; step < 5; step++) {
                    gradients(alone, step);
                    gradients(together, step);
                    if (step == 3) {
                        // A parameter without a gradient is left alone.
                        alone.get(2).clearGrad();
                        together.get(2).clearGrad();
                    }
                    first.step(0.01, 0.5);
                    second.step(0.01, 0.5);
                    both.step(0.01, 0.5);
                }
                assertSame(alone, together);
            }
        }
    }

    @Test
    void aSavedStateGoesOnToTheBit() {
        List<Parameter> whole = parameters(DType.BF16);
        List<Parameter> resumed = parameters(DType.BF16);
        Map<String, Tensor> saved = new HashMap<>();
        try (Optimizer unbroken = composite(whole)) {
            for (int step = 0; step < 6; step++) {
                if (step == 3) {
                    unbroken.state().forEach((name, t) -> saved.put(name, t.copy()));
                    for (int i = 0; i < whole.size(); i++) {
                        resumed.get(i)
                                .value()
                                .setData(whole.get(i).value().detach().copy());
                    }
                }
                gradients(whole, step);
                unbroken.step(0.01, 1);
            }
        }
        try (Optimizer continued = composite(resumed)) {
            continued.load(saved);
            for (int step = 3; step < 6; step++) {
                gradients(resumed, step);
                continued.step(0.01, 1);
            }
            saved.remove("step/vector");
            assertThrows(QuernException.class, () -> continued.load(saved));
        }
        assertSame(whole, resumed);
    }

    @Test
    void oneParameterHasOneOptimizer() {
        List<Parameter> p = parameters(DType.FP32);
        try (Optimizer first = sgd(p);
                Optimizer second = adamw(p.subList(2, 3))) {
            var e = assertThrows(IllegalArgumentException.class, () -> new CompositeOptimizer(List.of(first, second)));
            assertEquals("parameter 'vector' is in two optimizers", e.getMessage());
        }
    }

    static Stream<OptimizerTechnique> techniques() {
        return Techniques.all().stream()
                .filter(OptimizerTechnique.class::isInstance)
                .map(OptimizerTechnique.class::cast);
    }

    /** What parameter groups and rates by layer rest on. */
    @ParameterizedTest
    @MethodSource("techniques")
    void everyOptimizerMultipliesTheRateByTheGroupsFactor(OptimizerTechnique technique) {
        Record config = Block.empty(Position.of("test")).bind(technique.config());
        List<Parameter> p = parameters(DType.FP32);
        List<Parameter> still = p.subList(0, 1);
        List<Parameter> moved = p.subList(1, 3);
        List<ParameterGroup> groups = List.of(
                new ParameterGroup(still, 0, OptionalDouble.empty()),
                new ParameterGroup(moved, 1, OptionalDouble.empty()));
        float[] before = still.getFirst().value().toFloats();
        float[] other = moved.getFirst().value().toFloats();
        try (Optimizer optimizer = technique.create(groups, SETTINGS, config)) {
            for (int step = 0; step < 3; step++) {
                gradients(p, step);
                optimizer.step(0.05, 1);
            }
        }
        assertArrayEquals(before, still.getFirst().value().toFloats(), technique.id() + " moves at a rate of 0");
        assertFalse(Arrays.equals(other, moved.getFirst().value().toFloats()), technique.id());
    }
}
