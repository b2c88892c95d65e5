package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import quern.data.AgentTokens;
import quern.data.Batch;
import quern.data.BlankInfilling;
import quern.data.TranslationLm;
import quern.models.LanguageModel;
import quern.models.Task;
import quern.models.part.position.Learned2d;
import quern.nn.Flow;
import quern.nn.Pass;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;

/** Objectives that bring a loss of their own, or rows of two texts: they learn, mean what their papers say, and are resumed. */
class TrainedObjectiveTest {
    private static final String BERT =
            "{family: bert, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 34, hidden_dropout_prob: %s}";
    private static final String GENERATOR =
            "{family: bert, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 34}";
    private static final String RTD = "{type: rtd, discriminator_weight: 5, generator: " + GENERATOR + "}";
    /** Sums of some dozen fp32 terms of at most some ten. */
    private static final double ROUNDING = 1e-5;

    @TempDir
    Path folder;

    private Block recipe(String model, String objective, String run, String... more) {
        return TinyRuns.blockOf(
                model,
                folder,
                Stream.concat(
                                Stream.of(
                                        "tokenizer={type: bpe, vocab_size: 300}",
                                        "data.max_length=32",
                                        "max_steps=20",
                                        "eval_steps=20",
                                        "save_steps=10",
                                        "warmup_steps=0",
                                        "learning_rate=3e-3",
                                        "per_device_train_batch_size=16",
                                        "objective=" + objective,
                                        "output_dir=" + folder.resolve(run)),
                                Stream.of(more))
                        .toArray(String[]::new));
    }

    private static double loss(Path run, int from, int to) {
        return MetricsLog.read(run).stream()
                .filter(line -> line.containsKey("loss"))
                .skip(from)
                .limit(to - from)
                .mapToDouble(line -> line.get("loss"))
                .average()
                .orElseThrow();
    }

    private static void assertLearns(Path run, double share) {
        double start = loss(run, 0, 3);
        double end = loss(run, 17, 20);
        assertTrue(end < share * start, "from " + start + " to " + end);
    }

    private void assertResumes(String model, String objective, String... more) {
        Path whole = TinyRuns.train(recipe(model, objective, "whole", more)).folder();
        TinyRuns.trainUntil(recipe(model, objective, "halves", more), 10);
        Path resumed = TinyRuns.resume(folder.resolve("halves")).folder();
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(resumed));
    }

    @Test
    void textsAreToldFromOthersByTwoDropouts() {
        String model = BERT.formatted("0.1");
        String unit = "data.text_unit=line";
        assertResumes(model, "contrastive", unit);
        Path run = folder.resolve("whole");
        assertLearns(run, 0.9);
        try (LanguageModel saved = LanguageModel.load(run, DType.FP32, Device.CPU)) {
            assertEquals(Task.MODEL, saved.spec().task());
        }
    }

    /** Equation 1, by hand. */
    @Test
    void theContrastiveLossIsThatOfThePaper() {
        for (ContrastiveSentences.Pooling pooling : ContrastiveSentences.Pooling.values()) {
            String objective = "{type: contrastive, temperature: 0.5, pooling: %s}"
                    .formatted(pooling.name().toLowerCase(java.util.Locale.ROOT));
            Preparation p =
                    Preparation.of(recipe(BERT.formatted("0.1"), objective, "a", "data.text_unit=line"), note -> {});
            Batch batch = p.batches().batch(0);
            int n = batch.rows() / 2;
            try (LanguageModel model = p.model();
                    ObjectiveNetwork trained = p.network(model);
                    Scope scope = Scope.open()) {
                Flow inputs = TokenTensors.flow(batch, 1.0 / n, 1.0, Device.CPU);
                Flow out = trained.network().infer(inputs, Pass.training(4));
                float[] hidden = out.get("hidden_states").toFloats();
                double[][] vectors = new double[2 * n][];
                for (int row = 0; row < 2 * n; row++) {
                    vectors[row] = pooled(pooling, hidden, row, batch);
                }
                double expected = 0;
                for (int i = 0; i < n; i++) {
                    double sum = 0;
                    for (int j = 0; j < n; j++) {
                        sum += Math.exp(cosine(vectors[i], vectors[n + j]) / 0.5);
                    }
                    expected -= (cosine(vectors[i], vectors[n + i]) / 0.5 - Math.log(sum)) / n;
                }
                assertEquals(expected, out.get("loss").item(), 1e-4 * expected);
            }
        }
    }

    private static double[] pooled(ContrastiveSentences.Pooling pooling, float[] hidden, int row, Batch batch) {
        int width = hidden.length / batch.rows() / batch.columns();
        int length = batch.lengths()[row];
        double[] vector = new double[width];
        for (int i = 0; i < length; i++) {
            boolean counts = switch (pooling) {
                case FIRST -> i == 0;
                case MEAN -> true;
                case LAST -> i == length - 1;
            };
            for (int d = 0; counts && d < width; d++) {
                vector[d] += hidden[(row * batch.columns() + i) * width + d];
            }
        }
        return vector;
    }

    private static double cosine(double[] a, double[] b) {
        double ab = 0;
        double aa = 0;
        double bb = 0;
        for (int i = 0; i < a.length; i++) {
            ab += a[i] * b[i];
            aa += a[i] * a[i];
            bb += b[i] * b[i];
        }
        return ab / Math.sqrt(aa * bb);
    }

    /** Lines of words, and the same words with an ending each. */
    private String translations() throws Exception {
        Path pairs = folder.resolve("pairs.jsonl");
        List<String> lines = new ArrayList<>();
        for (String line : TinyRuns.text(7, 200).split("\n")) {
            lines.add("{\"text\": \"%s\", \"translation\": \"%s\"}".formatted(line, line.replace(" ", "en ")));
        }
        Files.writeString(pairs, String.join("\n", lines));
        return "data.path=" + pairs;
    }

    @Test
    void pairsAndTranslationsAreLearned() throws Exception {
        String data = translations();
        String model = BERT.formatted("0.1").replace("34", "64");
        Path pairs = TinyRuns.train(recipe(
                        model, "{type: contrastive, pair_field: translation}", "pairs", data, "data.max_length=64"))
                .folder();
        assertLearns(pairs, 0.9);
        Path tlm = TinyRuns.train(recipe(model, "tlm", "tlm", data, "data.max_length=64"))
                .folder();
        assertLearns(tlm, 0.9);
        assertEquals("masked_lm", new TranslationLm().task());
    }

    @Test
    void positionsThatBeginAnewAreRead() throws Exception {
        Preparation p = Preparation.of(
                recipe(BERT.formatted("0.1").replace("34", "64"), "tlm", "a", translations(), "data.max_length=64"),
                note -> {});
        Batch batch = p.batches().batch(0);
        try (LanguageModel model = p.model();
                Scope scope = Scope.open()) {
            Flow inputs = TokenTensors.flow(batch, 1, 1, Device.CPU);
            Flow out = model.network().infer(inputs, Pass.evaluation());
            assertEquals(
                    inputs.get("text_positions")
                            .sub(out.get("position_ids"))
                            .abs()
                            .sum()
                            .item(),
                    0);
        }
    }

    @Test
    void replacedTokensAreTold() {
        assertResumes(BERT.formatted("0.1"), RTD, "gradient_accumulation_steps=2");
        Path run = folder.resolve("whole");
        assertLearns(run, 0.95);
        try (LanguageModel saved = LanguageModel.load(run, DType.FP32, Device.CPU)) {
            assertEquals(Task.MODEL, saved.spec().task());
            assertTrue(saved.parameters().stream()
                    .noneMatch(parameter -> parameter.name().startsWith("generator")));
        }
    }

    /** Only hidden tokens may change, and a drawn token that is the hidden one is no replacement. */
    @Test
    void whatIsReplacedIsWhatDiffers() {
        Preparation p = Preparation.of(recipe(BERT.formatted("0.0"), RTD, "a"), note -> {});
        Batch batch = p.batches().batch(0);
        long real = batch.realTokens();
        try (LanguageModel model = p.model();
                ObjectiveNetwork trained = p.network(model);
                Scope scope = Scope.open()) {
            double weight = 1.0 / batch.countedTokens();
            Flow out = trained.network().infer(TokenTensors.flow(batch, weight, 1, Device.CPU), Pass.training(2));
            long[] ids = out.get("input_ids").toLongs();
            float[] replaced = out.get("replaced").toFloats();
            float[] logits = out.get("logits").toFloats();
            double disc = 0;
            int changed = 0;
            for (int i = 0; i < ids.length; i++) {
                int label = batch.labels()[i];
                long original = label == Batch.NOT_COUNTED ? batch.inputIds()[i] : label;
                assertEquals(ids[i] == original ? 0 : 1, replaced[i], "token " + i);
                assertTrue(label != Batch.NOT_COUNTED || replaced[i] == 0);
                changed += (int) replaced[i];
                double sign = replaced[i] == 1 ? -1 : 1;
                disc += Math.log1p(Math.exp(sign * logits[i])) / real;
            }
            assertTrue(changed > batch.countedTokens() / 2, "a new generator guesses wrong");
            double generator = generatorLoss(trained, batch, weight);
            assertEquals(generator + 5 * disc, out.get("loss").item(), 10 * ROUNDING);
        }
    }

    /** The generator's own loss: that of its segment, which is visited first. */
    private static double generatorLoss(ObjectiveNetwork trained, Batch batch, double weight) {
        try (Scope scope = Scope.open()) {
            return trained.network()
                    .part(0, 1)
                    .infer(TokenTensors.flow(batch, weight, 1, Device.CPU), Pass.training(2))
                    .get("loss")
                    .item();
        }
    }

    private static final String GLM =
            "{family: custom, structure: prefix_lm, position: %s, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 64}";

    @Test
    void blanksAreFilledIn() {
        String model = GLM.formatted("learned_2d");
        Path run = TinyRuns.train(recipe(
                        model,
                        "{type: blank_infilling, document_probability: 0.2}",
                        "glm",
                        "data.max_length=64",
                        "per_device_train_batch_size=4"))
                .folder();
        assertLearns(run, 0.9);
        assertEquals("blank_infilling", new BlankInfilling().id());
        refused(recipe(GLM.formatted("learned"), "blank_infilling", "x"), "knows no positions inside them");
        refused(recipe(model, "prefix_lm", "y"), "fills in no spans");
        assertEquals("learned_2d", new Learned2d().id());
    }

    @Test
    void anAgentLearnsItsWays() {
        Path run = TinyRuns.train(recipe(
                        TinyRuns.LLAMA.replace("max_position_embeddings: 16", "max_position_embeddings: 256"),
                        "agent_tokens",
                        "agent",
                        "data={path: null, source: grid_world, grid_episodes: 300, max_length: 256}",
                        "learning_rate=1e-2"))
                .folder();
        assertLearns(run, 0.9);
        assertEquals("agent_tokens", new AgentTokens().id());
    }

    private static final String LLAMA =
            TinyRuns.LLAMA.replace("max_position_embeddings: 16", "max_position_embeddings: 64");

    @Test
    void severalTokensAreLearned() {
        assertResumes(LLAMA, "{type: multi_token, extra_tokens: 2}", "learning_rate=1e-2");
        Path run = folder.resolve("whole");
        assertLearns(run, 0.9);
        double evaluated = MetricsLog.read(run).stream()
                .filter(line -> line.containsKey("eval_bits_per_byte"))
                .mapToDouble(line -> line.get("eval_loss"))
                .reduce((a, b) -> b)
                .orElseThrow();
        assertTrue(evaluated < 0.5 * loss(run, 19, 20), "the next token's loss alone");
        refused(recipe(LLAMA, "multi_token", "x", "data.packing=false"), "set packing: true");
        refused(
                recipe(LLAMA, "{type: multi_token, extra_tokens: 31}", "y", "data.max_length=20"),
                "lower extra_tokens");
    }

    /** New heads pass the hidden state on, so head k's loss is that of the model's own prediction for a token k places further. */
    @Test
    void aNewHeadPredictsWhatTheModelDoes() {
        Preparation p = Preparation.of(
                recipe(LLAMA, "{type: multi_token, extra_tokens: 2, extra_weight: 0.5}", "a"), note -> {});
        Batch batch = p.batches().batch(0);
        double weight = 1.0 / batch.countedTokens();
        try (LanguageModel model = p.model();
                ObjectiveNetwork trained = p.network(model);
                Scope scope = Scope.open()) {
            Flow flow = TokenTensors.flow(batch, weight, 1, Device.CPU);
            double expected = 0;
            for (int k = 0; k <= 2; k++) {
                int[] labels = new int[batch.labels().length];
                for (int i = 0; i < labels.length; i++) {
                    boolean inside = i % batch.columns() + k < batch.columns();
                    labels[i] = inside ? batch.labels()[i + k] : Batch.NOT_COUNTED;
                }
                Batch further = new Batch(batch.rows(), batch.columns(), batch.inputIds(), labels, batch.lengths());
                expected += (k == 0 ? 1 : 0.5)
                        * model.network()
                                .infer(TokenTensors.flow(further, weight, 1, Device.CPU), Pass.evaluation())
                                .get("loss")
                                .item();
            }
            double loss =
                    trained.network().infer(flow, Pass.evaluation()).get("loss").item();
            assertEquals(expected, loss, ROUNDING * expected);
            assertEquals("multi_token", new MultiTokenPrediction().id());
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        String bert = BERT.formatted("0.1");
        refused(recipe(bert, "contrastive", "a"), "a text is told from others");
        refused(
                recipe(bert, "contrastive", "c", "data.text_unit=line", "auto_find_batch_size=true"),
                "divides batches, which objective contrastive can't bear");
        refused(recipe(bert, "{type: rtd, generator: {hidden_size: 16}}", "d"), "expected family: NAME");
        refused(recipe(bert, RTD.replace("34", "12"), "e"), "made for 12 positions, but the model for 34");
        refused(recipe(bert, RTD.replace("bert", "llama"), "f"), "llama has no head for masked_lm");
        assertEquals("rtd", new ReplacedTokenDetection().id());
    }

    private static void refused(Block recipe, String part) {
        Executable run = () -> TinyRuns.train(recipe);
        QuernException e = assertThrows(QuernException.class, run);
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }
}
