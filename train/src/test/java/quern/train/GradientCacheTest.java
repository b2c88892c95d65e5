package quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.nn.Flow;
import quern.nn.Network;
import quern.nn.Pass;
import quern.nn.Regularization;
import quern.nn.Segment;
import quern.nn.SegmentHook;
import quern.nn.Tape;
import quern.nn.TransformerBlock;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Native;
import quern.tensor.Parameter;
import quern.tensor.RandomStreams;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** A loss that tells rows from each other is that of all rows of a step, however they are divided. */
class GradientCacheTest {
    private static final String BERT =
            "{family: bert, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, max_position_embeddings: 64, hidden_dropout_prob: %s, attention_probs_dropout_prob: %s}";
    private static final String CLIP =
            "{family: clip, projection_dim: 16, text_config: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2}, vision_config: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, image_size: 24, patch_size: 8}}";
    /** Sums of fp32 in another order. Measured: loss 2e-7, norms of gradients 6e-7. */
    private static final double ROUNDING = 1e-6;

    @TempDir
    Path folder;

    private Block texts(String dropout, String run, String... more) throws IOException {
        Path pairs = folder.resolve("pairs.jsonl");
        if (!Files.exists(pairs)) {
            List<String> lines = new ArrayList<>();
            for (String line : TinyRuns.text(7, 160).split("\n")) {
                lines.add("{\"text\": \"%s\", \"translation\": \"%s\"}".formatted(line, line.replace(" ", "en ")));
            }
            Files.writeString(pairs, String.join("\n", lines));
        }
        return recipe(
                BERT.formatted(dropout, dropout),
                Stream.concat(
                        Stream.of(
                                "objective={type: contrastive, pair_field: translation, temperature: 0.2}",
                                "data.path=" + pairs,
                                "output_dir=" + folder.resolve(run)),
                        Stream.of(more)));
    }

    private Block images(String... more) {
        return recipe(
                CLIP,
                Stream.concat(
                        Stream.of(
                                "objective={type: contrastive_text_image, image_size: 24}",
                                "data={path: null, source: shapes, shapes_pairs: 160, max_length: 64, packing: false}"),
                        Stream.of(more)));
    }

    private Block recipe(String model, Stream<String> more) {
        return TinyRuns.blockOf(
                model,
                folder,
                Stream.concat(
                                Stream.of(
                                        "tokenizer={type: bpe, vocab_size: 300}",
                                        "data.max_length=64",
                                        "max_steps=12",
                                        "save_steps=6",
                                        "eval_steps=12",
                                        "warmup_steps=0",
                                        "learning_rate=3e-3"),
                                more)
                        .toArray(String[]::new));
    }

    /** What one step found. */
    private record Found(double loss, Map<String, float[]> gradients, long mostHandles) {}

    private static Found step(Block block, int batches) {
        Preparation p = Preparation.of(block, note -> {});
        try (LanguageModel model = p.model();
                ObjectiveNetwork trained = p.network(model);
                Optimizer optimizer = p.optimizer(trained.network())) {
            long[] most = new long[1];
            trained.network().addHook(new SegmentHook() {
                @Override
                public void afterForward(Visit visit) {
                    most[0] = Math.max(most[0], Native.liveHandles());
                }
            });
            long before = Native.liveHandles();
            StepResult result = step(p, trained.network(), optimizer).take(0, batches(p, batches), 0);
            return new Found(result.loss(), gradients(trained.network()), most[0] - before);
        }
    }

    private static TrainingStep step(Preparation p, Network network, Optimizer optimizer) {
        return new TrainingStep(
                network,
                p.device(),
                optimizer,
                new GradientClipping(0),
                Regularization.NONE,
                p.recipe().seed());
    }

    private static List<Batch> batches(Preparation p, int count) {
        List<Batch> batches = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            batches.add(p.batches().batch(i));
        }
        return batches;
    }

    private static Map<String, float[]> gradients(Network network) {
        Map<String, float[]> all = new LinkedHashMap<>();
        for (Parameter p : network.parameters()) {
            try (Scope scope = Scope.open()) {
                if (p.grad().isDefined()) {
                    all.put(p.name(), p.grad().toFloats());
                }
            }
        }
        return all;
    }

    private static double norm(float[] values) {
        double sum = 0;
        for (float v : values) {
            sum += (double) v * v;
        }
        return Math.sqrt(sum);
    }

    private static void assertSameWithin(Found atOnce, Found divided, double tolerance) {
        assertEquals(atOnce.loss(), divided.loss(), tolerance * atOnce.loss());
        assertEquals(atOnce.gradients().keySet(), divided.gradients().keySet());
        double whole = Math.sqrt(atOnce.gradients().values().stream()
                .mapToDouble(g -> norm(g) * norm(g))
                .sum());
        assertTrue(whole > 0);
        atOnce.gradients().forEach((name, expected) -> {
            float[] difference = divided.gradients().get(name).clone();
            for (int i = 0; i < difference.length; i++) {
                difference[i] -= expected[i];
            }
            // A gradient that cancels out has nothing but the rounding of its terms.
            double error = norm(difference) / Math.max(norm(expected), 0.1 * whole);
            assertTrue(error <= tolerance, "%s: relative error %g".formatted(name, error));
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    void pairsOfTextsAreToldFromAllOfTheStep(int rows) throws IOException {
        Found atOnce = step(texts("0.0", "a", "per_device_train_batch_size=16"), 1);
        Found divided = step(texts("0.0", "a", "per_device_train_batch_size=" + rows), 16 / rows);
        assertSameWithin(atOnce, divided, ROUNDING);
        // Sixteen to be told from: each batch by itself would cost less.
        assertTrue(divided.loss() > 2, "loss " + divided.loss());
    }

    @Test
    void imagesAndCaptionsAreToldFromAllOfTheStep() {
        Found atOnce = step(images("per_device_train_batch_size=16"), 1);
        Found divided = step(images("per_device_train_batch_size=4"), 4);
        assertSameWithin(atOnce, divided, ROUNDING);
        assertTrue(divided.gradients().containsKey("logit_scale"));
    }

    @Test
    void theSameWithCheckpointing() throws IOException {
        Path whole = TinyRuns.train(texts("0.1", "whole", "gradient_accumulation_steps=3"))
                .folder();
        Path recomputed = TinyRuns.train(
                        texts("0.1", "recomputed", "gradient_accumulation_steps=3", "gradient_checkpointing=true"))
                .folder();
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(recomputed));
    }

    @Test
    void aKilledTrainingGoesOnAlike() throws IOException {
        String accumulation = "gradient_accumulation_steps=3";
        Path whole = TinyRuns.train(texts("0.1", "whole", accumulation)).folder();
        TinyRuns.trainUntil(texts("0.1", "halves", accumulation), 6);
        Path resumed = TinyRuns.resume(folder.resolve("halves")).folder();
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(resumed));
        List<Double> losses = MetricsLog.read(whole).stream()
                .filter(line -> line.containsKey("loss"))
                .map(line -> line.get("loss"))
                .toList();
        assertTrue(losses.getLast() < 0.9 * losses.getFirst(), losses.toString());
    }

    /** With the graphs of all batches alive at once, and so one forward each, nothing is drawn a second time. */
    @Test
    void bothPassesDrawTheSame() throws IOException {
        Preparation p = Preparation.of(texts("0.3", "a"), note -> {});
        List<Batch> batches = batches(p, 3);
        RandomStreams random = new RandomStreams(p.recipe().seed());
        Map<String, float[]> expected;
        double loss;
        try (LanguageModel model = p.model();
                ObjectiveNetwork trained = p.network(model);
                Scope scope = Scope.open()) {
            Network network = trained.network();
            int visits = network.visits().size();
            double weight =
                    1.0 / batches.stream().mapToLong(Batch::countedTokens).sum();
            List<Tape> tapes = new ArrayList<>();
            for (int i = 0; i < batches.size(); i++) {
                tapes.add(network.part(0, visits - 1)
                        .forward(
                                TokenTensors.flow(batches.get(i), weight, 1, p.device()),
                                Pass.training(random.seed("dropout", 0L, i))));
            }
            Flow all = new Flow();
            for (String name : network.visits().getLast().reads()) {
                Tensor joined = Tensor.cat(tapes.stream().map(t -> t.get(name)).toList(), 0);
                all.put(name, name.endsWith("weights") ? joined : joined.requiresGrad_(true));
            }
            try (Tape head = network.part(visits - 1, visits).forward(all, Pass.training(0))) {
                loss = head.get("loss").item();
                head.backward(Map.of("loss", Tensor.full(1, DType.FP32, p.device(), 1)));
                for (int i = 0; i < tapes.size(); i++) {
                    Map<String, Tensor> own = new LinkedHashMap<>();
                    for (String name : List.of("text_embeds", "second_embeds")) {
                        // Every batch has four pairs.
                        own.put(name, head.gradient(name).narrow(0, 4L * i, 4));
                    }
                    tapes.get(i).backward(own);
                }
            }
            expected = gradients(network);
            tapes.forEach(Tape::close);
        }
        Found found = step(texts("0.3", "a"), 3);
        assertEquals(loss, found.loss());
        assertEquals(expected.keySet(), found.gradients().keySet());
        expected.forEach(
                (name, values) -> assertArrayEquals(values, found.gradients().get(name), name));
        assertNotEquals(loss, step(texts("0.0", "a"), 3).loss(), "dropout is on");
    }

    @Test
    void memoryIsThatOfOneBatch() throws IOException {
        long two = step(texts("0.1", "a"), 2).mostHandles();
        long eight = step(texts("0.1", "a"), 8).mostHandles();
        // Of six batches more: three tensors each, and no tape.
        assertTrue(eight - two <= 6 * 3, "%d handles with two batches, %d with eight".formatted(two, eight));
    }

    @Test
    void whatIsNotFiniteIsFound() throws IOException {
        Preparation p = Preparation.of(texts("0.1", "a"), note -> {});
        try (LanguageModel model = p.model();
                ObjectiveNetwork trained = p.network(model);
                Optimizer optimizer = p.optimizer(trained.network())) {
            Segment block = model.network().segments().stream()
                    .filter(s -> s instanceof TransformerBlock)
                    .toList()
                    .getLast();
            try (Scope scope = Scope.open();
                    Autograd.Mode mode = Autograd.noGrad()) {
                block.parameters().getLast().value().fill_(Double.NaN);
            }
            TrainingStep step = step(p, trained.network(), optimizer);
            QuernException e = assertThrows(QuernException.class, () -> step.take(0, batches(p, 2), 1e-3));
            assertEquals(ExitCode.REFUSED, e.exitCode());
            assertTrue(e.getMessage().contains("first in segment '" + block.name() + "'"), e.getMessage());
        }
    }

    @Test
    void halfPrecisionLearnsToo() throws IOException {
        for (String precision : List.of("bf16", "fp16")) {
            Path run = TinyRuns.train(
                            texts("0.1", precision, "gradient_accumulation_steps=3", "precision=" + precision))
                    .folder();
            List<Double> losses = MetricsLog.read(run).stream()
                    .filter(line -> line.containsKey("loss"))
                    .map(line -> line.get("loss"))
                    .toList();
            assertTrue(losses.getLast() < 0.9 * losses.getFirst(), precision + losses);
        }
    }
}
