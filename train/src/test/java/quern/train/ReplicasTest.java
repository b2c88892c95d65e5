package quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.models.LanguageModel;
import quern.nn.GradientCheckpointing;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.Native;
import quern.tensor.Parameter;
import quern.tensor.Scope;

/** A step divided over threads is the undivided step. */
class ReplicasTest {
    /** Of a gradient's norm: the order of sums differs, and one fp32 rounding is 6e-8. */
    private static final double GRADIENT = 1e-6;

    @TempDir
    Path folder;

    private record Outcome(double loss, double norm, Map<String, float[]> gradients) {}

    private Outcome step(String model, int threads, int rows, boolean checkpoints) {
        Preparation p =
                Preparation.of(TinyRuns.blockOf(model, folder, "per_device_train_batch_size=" + rows), note -> {});
        try (LanguageModel net = p.model();
                Optimizer optimizer = p.optimizer(net.parameters());
                TrainingStep step = new TrainingStep(
                        net, optimizer, new GradientClipping(1), p.recipe().seed(), threads)) {
            if (checkpoints) {
                net.network().addHook(new GradientCheckpointing(s -> s.name().contains("h.")));
            }
            StepResult r = step.take(0, List.of(p.batches().batch(0)), 1e-2);
            Map<String, float[]> gradients = new LinkedHashMap<>();
            for (Parameter q : net.parameters()) {
                try (Scope scope = Scope.open()) {
                    gradients.put(q.name(), q.grad().toFloats());
                }
            }
            return new Outcome(r.loss(), r.gradientNorm(), gradients);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 7})
    void partsAddUpToTheWhole(int threads) {
        String model = TinyRuns.GPT2.replace("dropout: 0.1", "dropout: 0.0");
        Outcome whole = step(model, 1, 5, false);
        Outcome parts = step(model, threads, 5, false);
        assertEquals(whole.loss(), parts.loss(), GRADIENT * whole.loss());
        assertEquals(whole.norm(), parts.norm(), GRADIENT * whole.norm());
        whole.gradients().forEach((name, expected) -> {
            float[] actual = parts.gradients().get(name);
            double difference = 0;
            double norm = 0;
            for (int i = 0; i < expected.length; i++) {
                difference += Math.pow(expected[i] - actual[i], 2);
                norm += Math.pow(expected[i], 2);
            }
            assertTrue(Math.sqrt(difference) <= GRADIENT * Math.max(Math.sqrt(norm), 1e-3), name);
        });
    }

    @Test
    void theSameThreadsGiveTheSameBitsWithAndWithoutCheckpointing() {
        Outcome once = step(TinyRuns.GPT2, 2, 4, false);
        Outcome again = step(TinyRuns.GPT2, 2, 4, false);
        Outcome checkpointed = step(TinyRuns.GPT2, 2, 4, true);
        once.gradients().forEach((name, g) -> {
            assertArrayEquals(g, again.gradients().get(name), name);
            assertArrayEquals(g, checkpointed.gradients().get(name), name);
        });
    }

    @Test
    void aFailureInAnyPartIsTheStepsAndNothingLeaks() {
        Preparation p = Preparation.of(TinyRuns.blockOf(TinyRuns.GPT2, folder), note -> {});
        try (LanguageModel net = p.model();
                Optimizer optimizer = p.optimizer(net.parameters());
                TrainingStep step = new TrainingStep(net, optimizer, new GradientClipping(1), 1, 2)) {
            step.take(0, List.of(p.batches().batch(0)), 0);
            long handles = Native.liveHandles();
            step.take(1, List.of(p.batches().batch(1)), 0);
            assertEquals(handles, Native.liveHandles());
            try (Scope scope = Scope.open();
                    Autograd.Mode mode = Autograd.noGrad()) {
                net.parameters().getFirst().value().fill_(Double.NaN);
            }
            QuernException e = assertThrows(
                    QuernException.class, () -> step.take(2, List.of(p.batches().batch(2)), 0));
            assertTrue(e.getMessage().startsWith("step 3: the loss is NaN"), e.getMessage());
        }
    }

    @Test
    void largeModelsAreNotDivided() {
        Preparation p = Preparation.of(TinyRuns.blockOf(TinyRuns.GPT2, folder), note -> {});
        try (LanguageModel net = p.model()) {
            assertTrue(Replicas.pays(net, 2));
            assertFalse(Replicas.pays(net, 1));
        }
    }
}
