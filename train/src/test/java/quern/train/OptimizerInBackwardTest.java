package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.models.LanguageModel;
import quern.nn.Network;
import quern.nn.SegmentHook;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Updates inside the backward pass are those at its end, with the gradients of a segment instead of all. */
class OptimizerInBackwardTest {
    /** Of a norm: the squares are summed in another order, in double. */
    private static final double NORM = 1e-9;

    /** Wide enough for the fused form of a block. */
    private static final String WIDE_GPT2 =
            "{family: gpt2, n_layer: 4, n_head: 2, n_embd: 64, n_positions: 64, resid_pdrop: 0.0, embd_pdrop: 0.0, attn_pdrop: 0.0}";

    private static final String POISONED = "transformer.h.1.mlp.c_fc.weight";
    private static final String WIDE_LLAMA =
            "{family: llama, hidden_size: 64, num_hidden_layers: 4, num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 96, max_position_embeddings: 64}";

    @TempDir
    Path folder;

    private static String model(String family) {
        return family.equals("gpt2") ? WIDE_GPT2 : WIDE_LLAMA;
    }

    private Path train(String model, String output, String... overrides) {
        List<String> all = new ArrayList<>(List.of(
                "output_dir=" + folder.resolve(output),
                "max_grad_norm=0",
                "max_steps=6",
                "data.max_length=64",
                "data.packing=true",
                "eval_steps=0",
                "save_steps=6"));
        all.addAll(List.of(overrides));
        return TinyRuns.train(TinyRuns.blockOf(model, folder, all.toArray(String[]::new)))
                .folder();
    }

    @ParameterizedTest
    @CsvSource({
        "gpt2, optim=adamw, precision=fp32",
        "gpt2, optim=lamb, precision=bf16",
        "gpt2, optim=muon, gradient_checkpointing=true",
        "llama, optim=adamw, precision=bf16",
        "llama, adafactor=true, max_grad_value=0.01",
        "llama, optim=lion, ema.decay=0.9",
        "llama, optim=schedule_free_adamw, agc.clip_factor=0.01"
    })
    void theBitsAreThoseOfTheOrdinaryStep(String family, String optimizer, String option) {
        Path ordinary = train(model(family), "ordinary", optimizer, option);
        Path inBackward = train(model(family), "in-backward", optimizer, option, "optimizer_in_backward=true");
        Map<String, String> expected = TinyRuns.content(Checkpoints.folder(ordinary, 6));
        Map<String, String> actual = TinyRuns.content(Checkpoints.folder(inBackward, 6));
        for (String file : List.of("model.safetensors", "trainer/optimizer.safetensors")) {
            assertTrue(expected.get(file).equals(actual.get(file)), file + " differs");
        }
        List<Map<String, Double>> was = TinyRuns.metrics(ordinary);
        List<Map<String, Double>> is = TinyRuns.metrics(inBackward);
        assertEquals(was.size(), is.size());
        for (int i = 0; i < was.size(); i++) {
            assertEquals(was.get(i).get("loss"), is.get(i).get("loss"));
            double norm = was.get(i).getOrDefault("grad_norm", 0.0);
            assertEquals(norm, is.get(i).getOrDefault("grad_norm", 0.0), NORM * norm);
        }
    }

    /** The most bytes of gradients that exist when a segment's backward ends. */
    private static final class Watch implements SegmentHook {
        private final Network network;
        long most;

        Watch(Network network) {
            this.network = network;
        }

        @Override
        public void gradientReady(Parameter parameter) {
            long bytes = 0;
            for (Parameter p : network.parameters()) {
                try (Scope scope = Scope.open()) {
                    Tensor g = p.grad();
                    bytes += g.isDefined() ? g.numel() * g.dtype().bytes() : 0;
                }
            }
            most = Math.max(most, bytes);
        }
    }

    private long mostGradientBytes(String model, boolean inBackward) {
        Preparation p = Preparation.of(
                TinyRuns.blockOf(model, folder, "data.max_length=64", "data.packing=true", "max_grad_norm=0"),
                note -> {});
        try (LanguageModel net = p.model();
                Optimizer optimizer = p.optimizer(net.network())) {
            TrainingStep step = new TrainingStep(
                    net.network(),
                    net.device(),
                    optimizer,
                    new GradientClipping(0),
                    p.regularization(),
                    1,
                    Safeguards.NONE,
                    inBackward);
            Watch watch = new Watch(net.network());
            net.network().addHook(watch);
            for (int i = 0; i < 3; i++) {
                step.take(i, List.of(p.batches().batch(i)), 1e-3);
            }
            if (inBackward) {
                assertTrue(watch.most <= OptimizerInBackward.gradientBytes(net.network()), "as the plan says");
                for (Parameter parameter : net.parameters()) {
                    assertFalse(parameter.grad().isDefined(), parameter.name());
                }
            }
            return watch.most;
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama"})
    void gradientsExistOfOneSegment(String family) {
        long all = mostGradientBytes(model(family), false);
        long few = mostGradientBytes(model(family), true);
        System.out.printf("%s: at most %,d bytes of gradients, %,d with optimizer_in_backward%n", family, all, few);
        // Four equal blocks, and an embedding smaller than one.
        assertTrue(few <= 0.4 * all, few + " of " + all);
    }

    @ParameterizedTest
    @CsvSource({
        "max_grad_norm=1.0, max_grad_norm",
        "gradient_accumulation_steps=2, gradient_accumulation_steps",
        "precision=fp16, precision",
        "precision=dynamic, precision",
        "auto_find_batch_size=true, auto_find_batch_size",
        "spike_guard.action=skip, spike_guard",
        "gradient_noise_scale={}, gradient_noise_scale"
    })
    void whatNeedsAllGradientsIsRefused(String option, String named) {
        QuernException e = assertThrows(
                QuernException.class,
                () -> Preparation.of(
                        TinyRuns.block(folder, "optimizer_in_backward=true", "max_grad_norm=0", option), note -> {}));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains("optimizer_in_backward"), e.getMessage());
        assertTrue(e.getMessage().contains(named), e.getMessage());
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
    }

    @Test
    void aGradientThatIsNotFiniteStopsTheRunBeforeItIsSaved() {
        Path at;
        try (TrainingRun run = TrainingRun.start(
                TinyRuns.blockOf(
                        WIDE_GPT2,
                        folder,
                        "optimizer_in_backward=true",
                        "max_grad_norm=0",
                        "save_steps=2",
                        "max_steps=9"),
                note -> {})) {
            at = run.folder();
            run.addHook(new TrainingHook() {
                @Override
                public void onStep(TrainingProgress progress, StepResult result) {
                    if (progress.step() == 5) {
                        run.model().network().addHook(poison());
                    }
                }
            });
            QuernException e = assertThrows(QuernException.class, run::train);
            assertEquals(ExitCode.REFUSED, e.exitCode());
            assertTrue(e.getMessage().startsWith("step 6: the gradient of '" + POISONED + "'"), e.getMessage());
            assertTrue(e.getMessage().contains("optimizer_in_backward"), e.getMessage());
        }
        assertEquals(Checkpoints.folder(at, 4), Checkpoints.list(at).getLast());
    }

    /** Makes a gradient NaN when it is complete. */
    private static SegmentHook poison() {
        return new SegmentHook() {
            @Override
            public void gradientReady(Parameter parameter) {
                if (parameter.name().equals(POISONED)) {
                    try (Scope scope = Scope.open();
                            Autograd.Mode mode = Autograd.noGrad()) {
                        parameter.grad().fill_(Double.NaN);
                    }
                }
            }
        };
    }
}
