package quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.CausalLm;
import quern.data.ChatMessages;
import quern.data.Objective;
import quern.data.TokenStream;
import quern.data.Tokenizer;
import quern.models.LanguageModel;
import quern.nn.Pass;
import quern.nn.Regularization;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.tensor.Parameter;
import quern.tensor.Scope;

/** Trainings on prompts and answers: what counts, how a step is divided, and who refuses. */
class InstructionTrainingTest {
    /** Sums in another order. */
    private static final double SAME = 1e-6;

    @TempDir
    Path folder;

    private Block recipe(String... overrides) {
        return RecipeFile.load("tiny.yaml", TinyRuns.instructions(folder), List.of(overrides));
    }

    private static String refusal(Block recipe) {
        QuernException e = assertThrows(QuernException.class, () -> Preparation.of(recipe, note -> {}));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        return e.getMessage();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void onlyAnswersAreJudged(boolean packing) {
        Preparation p = Preparation.of(recipe("data.packing=" + packing), note -> {});
        TokenStream held = p.validation().orElseThrow();
        long answers = 0;
        for (long d = 0; d < held.documents(); d++) {
            answers += held.documentStart(d + 1) - held.answerStart(d);
        }
        try (LanguageModel model = p.model()) {
            ValidationLoss whole = ValidationLoss.measure(model.network(), model.device(), held, 256, 4, done -> {});
            BatchSource batches = new CausalLm()
                    .evaluation(new Objective.Input(held, p.tokenizer(), p.data(), 4, 0), new CausalLm.Config())
                    .orElseThrow();
            ValidationLoss own = ValidationLoss.measure(
                    model.network(), model.device(), batches, batches.batchesPerEpoch(), done -> {});
            assertEquals(
                    own.loss(),
                    p.heldOut().measure(model, model.network(), done -> {}).get("eval_loss"),
                    SAME * own.loss());
            assertEquals(answers, whole.tokens());
            assertEquals(answers, own.tokens());
            assertEquals(own.loss(), whole.loss(), SAME * own.loss());
            double sum = 0;
            for (long d = 0; d < held.documents(); d++) {
                int[] tokens = new int[(int) (held.documentStart(d + 1) - held.documentStart(d))];
                held.read(held.documentStart(d), tokens, 0, tokens.length);
                int prompt = (int) (held.answerStart(d) - held.documentStart(d));
                int n = tokens.length - 1;
                Batch alone =
                        new Batch(1, n, Arrays.copyOf(tokens, n), Arrays.copyOfRange(tokens, 1, n + 1), new int[] {n});
                try (Scope scope = Scope.open()) {
                    float[] logprobs = model.network()
                            .infer(TokenTensors.unweighted(alone, model.device()), Pass.evaluation())
                            .get("logprobs")
                            .toFloats();
                    for (int i = prompt - 1; i < n; i++) {
                        sum -= logprobs[i];
                    }
                }
            }
            assertEquals(sum / answers, whole.loss(), SAME * whole.loss());
        }
    }

    private static Map.Entry<StepResult, List<float[]>> step(Preparation p, List<Batch> batches) {
        try (LanguageModel model = p.model();
                Optimizer optimizer = p.optimizer(model.network())) {
            TrainingStep step = new TrainingStep(
                    model.network(), model.device(), optimizer, new GradientClipping(1e9), Regularization.NONE, 1);
            StepResult result = step.take(0, batches, 0);
            List<float[]> gradients = new ArrayList<>();
            for (Parameter parameter : model.parameters()) {
                try (Scope scope = Scope.open()) {
                    gradients.add(parameter.grad().toFloats());
                }
            }
            return Map.entry(result, gradients);
        }
    }

    /** The rows of a step at once, one at a time, and two at a time over the border of its batches. */
    @Test
    void packedRowsMayBeDivided() {
        Preparation p =
                Preparation.of(recipe("model.attention_dropout=0.0", "per_device_train_batch_size=3"), note -> {});
        List<Batch> batches = List.of(p.batches().batch(0), p.batches().batch(1));
        assertTrue(batches.getFirst().documents().length > 3, "no row holds several documents");
        Map.Entry<StepResult, List<float[]>> whole = step(p, batches);
        for (int rows : new int[] {1, 2, 6}) {
            List<Batch> divided = MicroBatches.ofRows(batches, rows);
            assertTrue(divided.stream().allMatch(b -> b.rows() <= rows));
            Map.Entry<StepResult, List<float[]>> other = step(p, divided);
            assertEquals(
                    whole.getKey().loss(),
                    other.getKey().loss(),
                    SAME * whole.getKey().loss());
            assertEquals(whole.getKey().tokens(), other.getKey().tokens());
            assertEquals(whole.getKey().countedTokens(), other.getKey().countedTokens());
            double norm = 0;
            double difference = 0;
            for (int i = 0; i < whole.getValue().size(); i++) {
                for (int k = 0; k < whole.getValue().get(i).length; k++) {
                    norm += Math.pow(whole.getValue().get(i)[k], 2);
                    difference += Math.pow(
                            (double) whole.getValue().get(i)[k]
                                    - other.getValue().get(i)[k],
                            2);
                }
            }
            assertTrue(difference <= SAME * SAME * norm, rows + " rows: " + Math.sqrt(difference / norm));
        }
        Batch first = MicroBatches.ofRows(batches, 1).get(1);
        assertArrayEquals(
                Arrays.copyOfRange(
                        batches.getFirst().inputIds(),
                        batches.getFirst().start(1),
                        batches.getFirst().start(2)),
                first.inputIds());
    }

    @Test
    void trainingLowersTheLossOfAnswersAndTellsOfRowsCut() {
        Block block = recipe("data.max_length=150", "model.attention_dropout=0.0");
        Preparation p = Preparation.of(block, note -> {});
        assertEquals(1, p.batches().notices().size());
        assertTrue(
                p.batches().notices().getFirst().contains("longer than max_length 150"),
                p.batches().notices().getFirst());
        assertEquals(2, p.notices().size());
        assertTrue(
                p.notices().getLast().matches("validation: .* longer than max_length 150 .*"),
                p.notices().getLast());
        TinyRuns.train(block);
        List<Map<String, Double>> evaluations = TinyRuns.metrics(folder.resolve("run")).stream()
                .filter(m -> m.containsKey("eval_loss"))
                .toList();
        assertTrue(
                evaluations.getLast().get("eval_loss") < evaluations.getFirst().get("eval_loss"),
                evaluations.toString());
        assertTrue(evaluations.stream().noneMatch(m -> m.containsKey("eval_bits_per_byte")));
    }

    @Test
    void otherObjectivesRefuseThem() {
        String mlm = refusal(of(
                "{family: bert, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32, max_position_embeddings: 512}",
                "objective=mlm"));
        assertTrue(mlm.contains("objective mlm learns from texts, but "), mlm);
        String t5 = refusal(of("{family: t5, d_model: 16, num_layers: 1, num_heads: 2, d_ff: 32, d_kv: 8}"));
        assertTrue(t5.contains("causal_lm") && t5.contains("t5"), t5);
    }

    /** The recipe of another model. */
    private Block of(String model, String... overrides) {
        String text = TinyRuns.instructions(folder)
                .replace(
                        TinyRuns.instructions(folder)
                                .lines()
                                .filter(l -> l.startsWith("model:"))
                                .findFirst()
                                .orElseThrow(),
                        "model: " + model);
        return RecipeFile.load("tiny.yaml", text, List.of(overrides));
    }

    @Test
    void whatWindowsCannotDoIsRefused() {
        String message = refusal(TinyRuns.block(folder, "data.on_too_long=drop"));
        assertTrue(message.contains("data.on_too_long: has no effect"), message);
        assertEquals(
                List.of(),
                Preparation.of(
                                TinyRuns.block(
                                        folder,
                                        "data.on_too_long=drop",
                                        "data.packing=false",
                                        "data.text_unit=line",
                                        "model.n_positions=200",
                                        "data.max_length=200"),
                                note -> {})
                        .batches()
                        .notices());
    }

    @Test
    void rowsThatAreTooLongAreNamed() {
        String message = refusal(recipe("data.max_length=100", "data.on_too_long=error"));
        assertTrue(
                message.matches(".*rows\\.jsonl:\\d+: \\d+ tokens, more than max_length 100 has room for; .*"),
                message);
    }

    /** The template that the recipe names lies beside the model, and a resumed run goes on with it. */
    @Test
    void conversationsAreLearnedAndTheirTemplateIsSaved() throws IOException {
        StringBuilder rows = new StringBuilder();
        for (String line : TinyRuns.text(6, 30).split("\n")) {
            rows.append(
                    "{\"conversations\": [{\"from\": \"human\", \"value\": \"Go on.\"}, {\"from\": \"gpt\", \"value\": \"%s\"}]}\n"
                            .formatted(line));
        }
        Path template = Files.writeString(
                folder.resolve("own.jinja"),
                "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}");
        Block chat = RecipeFile.load(
                "tiny.yaml",
                TinyRuns.instructions(folder),
                List.of("data.chat_template=" + template, "max_steps=4", "save_steps=2", "eval_steps=2"));
        Files.writeString(folder.resolve("rows.jsonl"), rows);
        Preparation p = Preparation.of(chat, note -> {});
        TokenStream train = p.store().train();
        long learned = 0;
        for (long d = 0; d < train.documents(); d++) {
            long[] ranges = train.learned(d);
            assertEquals(2, ranges.length);
            assertEquals(train.documentStart(d + 1), ranges[1]);
            learned += ranges[1] - ranges[0];
        }
        long counted = 0;
        for (long b = 0; b < p.batches().batchesPerEpoch(); b++) {
            counted += p.batches().batch(b).countedTokens();
        }
        assertEquals(learned, counted);
        Path run = TinyRuns.train(chat).folder();
        for (Path saved : List.of(run, run.resolve("checkpoint-2"))) {
            assertEquals(
                    Files.readString(template),
                    Files.readString(saved.resolve("chat_template.jinja")),
                    saved.toString());
        }
        Files.delete(template);
        assertEquals(
                "<user>a",
                Tokenizer.load(run)
                        .chatTemplate()
                        .orElseThrow()
                        .render(ChatMessages.of(List.of(ChatMessages.message("user", "a"))), true));
    }
}
