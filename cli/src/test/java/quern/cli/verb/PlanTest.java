package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class PlanTest {
    private static final int LENGTH = 16;
    private static final int ROWS = 1;
    private static final int ACCUMULATION = 3;
    private static final int STEPS = 40;

    @TempDir
    Path folder;

    private Path recipe;

    @BeforeEach
    void write() throws IOException {
        Path text = Files.writeString(folder.resolve("text.txt"), Cli.TEXT);
        recipe = Files.writeString(folder.resolve("recipe.yaml"), """
                output_dir: %s
                precision: bf16
                model: {family: llama, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2,
                        num_attention_heads: 2, max_position_embeddings: 32, tie_word_embeddings: true}
                tokenizer: char
                data: {path: %s, validation_share: 0.2, max_length: %d}
                optim: adamw
                learning_rate: 0.01
                lr_scheduler_type: linear
                warmup_steps: 4
                per_device_train_batch_size: %d
                gradient_accumulation_steps: %d
                max_steps: %d
                eval_steps: 15
                """.formatted(
                        folder.resolve("run"), text, LENGTH, ROWS, ACCUMULATION, STEPS));
    }

    /** Puts another model into the recipe. */
    private void ofModel(String model) throws IOException {
        String text = Files.readString(recipe);
        int from = text.indexOf("model: {");
        int to = text.indexOf('}', from) + 1;
        Files.writeString(recipe, text.substring(0, from) + "model: " + model + text.substring(to));
    }

    private Cli plan(String... more) {
        String[] all = new String[2 + more.length];
        all[0] = "plan";
        all[1] = recipe.toString();
        System.arraycopy(more, 0, all, 2, more.length);
        Cli cli = Cli.run(all);
        assertFalse(Files.exists(folder.resolve("run")));
        return cli;
    }

    @Test
    void countsParametersTokensAndSteps() {
        JsonNode json = plan("--json").json();
        JsonNode parts = json.path("parameters");
        int vocabulary = json.path("data").path("vocabulary_size").asInt();
        assertEquals(16 * vocabulary, parts.path("embedding").asLong());
        // Four matrices of 16 x 16, and three of 16 x 24, in each of two blocks; five norms of 16.
        assertEquals(2 * 4 * 16 * 16, parts.path("attention").asLong());
        assertEquals(2 * 3 * 16 * 24, parts.path("mlp").asLong());
        assertEquals(5 * 16, parts.path("norms").asLong());
        assertTrue(parts.path("head").isMissingNode(), "the head is tied");
        long count = parts.valueStream().mapToLong(JsonNode::asLong).sum();
        assertEquals(count, json.path("parameter_count").asLong());

        JsonNode memory = json.path("memory");
        assertEquals(2 * count, memory.path("weights").asLong());
        assertEquals(4 * count, memory.path("gradients").asLong(), "micro-batches add up in fp32");
        // Two moments and a master, in fp32, and a step count for each tensor.
        long state = memory.path("optimizer").asLong();
        assertTrue(state >= 12 * count && state < 13 * count, "optimizer state of " + state + " bytes");
        assertTrue(memory.path("measured").asBoolean());
        assertTrue(memory.path("peak").asLong() > memory.path("process").asLong());

        assertEquals(
                LENGTH * ROWS * ACCUMULATION,
                json.path("tokens").path("per_step").asDouble());
        assertEquals(
                LENGTH * ROWS * ACCUMULATION * STEPS,
                json.path("tokens").path("total").asDouble());
        assertEquals(STEPS, json.path("steps").asInt());
        assertEquals(1, json.path("data").path("documents").asInt());
        assertEquals(
                Cli.TEXT.length(),
                json.path("data").path("train_tokens").asInt()
                        + json.path("data").path("validation_tokens").asInt());

        JsonNode rate = json.path("learning_rate");
        assertEquals("linear", rate.path("scheduler").asString());
        assertEquals(0.01, rate.path("peak").asDouble());
        assertEquals(5, rate.path("peak_step").asInt(), "after four steps of warm-up");

        JsonNode time = json.path("time");
        assertTrue(time.path("timed_steps").asInt() >= 3);
        assertEquals(3, time.path("evaluations").asInt(), "at steps 15, 30 and 40");
        double total = STEPS * time.path("seconds_per_step").asDouble()
                + 3 * time.path("seconds_per_evaluation").asDouble();
        assertEquals(total, time.path("total_seconds").asDouble(), 1e-9 * total);
    }

    @Test
    void saysHowManyTokensTheLossCounts() throws IOException {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < 20; i++) {
            rows.append("{\"instruction\": \"Count.\", \"output\": \"%s\"}\n".formatted("one ".repeat(i + 1)));
        }
        Path file = Files.writeString(folder.resolve("rows.jsonl"), rows);
        String[] changes = {
            "data={path: %s, max_length: 256, validation_share: 0.2}".formatted(file),
            "tokenizer={type: bpe, vocab_size: 300}",
            "model.max_position_embeddings=256",
            "--show-batch"
        };
        String shown = plan(changes).out();
        assertTrue(shown.contains(" a step (the loss counts "), shown);
        String[] asJson = java.util.Arrays.copyOf(changes, changes.length + 1);
        asJson[changes.length] = "--json";
        JsonNode json = plan(asJson).json();
        double all = json.path("tokens").path("per_step").asDouble();
        double counted = json.path("tokens").path("counted_per_step").asDouble();
        assertTrue(counted > 0 && counted < all, counted + " of " + all);
        JsonNode row = json.path("batch").path(0);
        assertTrue(String.join(
                        "",
                        row.path("inputs").valueStream().map(JsonNode::asString).toList())
                .startsWith("Below is an instruction"));
        assertTrue(row.path("targets").path(0).isNull());
    }

    @Test
    void saysHowTheLossIsScaledAndStepsAreDivided() {
        String[] half = {
            "precision=dynamic",
            "loss_scale.initial=1024",
            "auto_find_batch_size=true",
            "batch_size_warmup={start: %d, steps: 4}".formatted(ROWS)
        };
        Cli shown = plan(half);
        assertTrue(shown.out().contains("dynamic: fp16 weights, fp32 masters; loss scale 1024 at first"), shown.out());
        assertTrue(shown.out().contains("in 200 steps changes to bf16"), shown.out());
        assertTrue(shown.out().contains("growing over 4 steps), "), shown.out());
        assertTrue(shown.out().contains(" at once, found by trial"), shown.out());
        String[] asJson = java.util.Arrays.copyOf(half, half.length + 1);
        asJson[half.length] = "--json";
        JsonNode json = plan(asJson).json();
        assertEquals("fp16", json.path("precision").path("weights").asString());
        assertEquals(
                1024, json.path("precision").path("loss_scale").path("initial").asDouble());
        JsonNode batch = json.path("batch_size");
        assertEquals(ROWS * ACCUMULATION, batch.path("step").asInt());
        assertEquals(ROWS, batch.path("first").asInt());
        // The memory of any machine is enough for all rows of a tiny model.
        assertEquals(ROWS * ACCUMULATION, batch.path("pass").asInt());
        // One, one, two and two micro-batches in the warm-up, then three.
        assertEquals(
                LENGTH * ROWS * (6 + ACCUMULATION * (STEPS - 4)),
                json.path("tokens").path("total").asDouble());
        JsonNode plain = plan("--json").json();
        assertTrue(plain.path("precision").path("loss_scale").isNull()
                || plain.path("precision").path("loss_scale").isMissingNode());
        assertEquals(ROWS, plain.path("batch_size").path("pass").asInt());
    }

    @Test
    void showsTheFirstBatch() {
        JsonNode rows = plan("--json", "--show-batch").json().path("batch");
        assertEquals(ROWS, rows.size());
        for (JsonNode row : rows) {
            String inputs = text(row.path("inputs"));
            String targets = text(row.path("targets"));
            assertTrue(Cli.TEXT.contains(inputs), inputs);
            assertEquals(inputs.substring(1), targets.substring(0, LENGTH - 1), "a target is the next input");
        }
        String shown = plan("--show-batch").out();
        String targets = text(rows.path(0).path("targets"));
        StringBuilder bracketed = new StringBuilder();
        targets.chars().forEach(c -> bracketed.append('[').append((char) c).append(']'));
        assertTrue(shown.contains(bracketed), shown);
    }

    @Test
    void showsWhatAMaskedModelReadsAndWrites() throws IOException {
        ofModel(
                "{family: bert, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 24, max_position_embeddings: 32}");
        String[] changes = {"objective={type: mlm, mlm_probability: 0.5}", "precision=fp32", "--show-batch", "--json"};
        Cli cli = plan(changes);
        assertEquals(0, cli.code(), cli.err());
        JsonNode row = cli.json().path("batch").path(0);
        int changed = 0;
        for (int i = 0; i < row.path("inputs").size(); i++) {
            boolean counted = !row.path("targets").path(i).isNull();
            assertEquals(!counted, row.path("context").path(i).asBoolean());
            boolean other = counted
                    && row.path("input_ids").path(i).asInt()
                            != row.path("target_ids").path(i).asInt();
            assertEquals(other, row.path("corrupted").path(i).asBoolean());
            changed += other ? 1 : 0;
        }
        assertTrue(changed > 0, row.toString());
        changes[3] = "seed=42";
        String shown = plan(changes).out();
        assertTrue(shown.contains("{[MASK]}"), shown);
        assertTrue(shown.contains("row 1, counts  "), shown);
    }

    @Test
    void showsAnEncodersRowsBesideADecoders() throws IOException {
        ofModel("{family: t5, d_model: 16, d_kv: 8, d_ff: 24, num_layers: 1, num_heads: 2}");
        Cli cli =
                plan("objective=span_corruption", "tokenizer={type: char}", "precision=fp32", "--show-batch", "--json");
        assertEquals(0, cli.code(), cli.err());
        JsonNode row = cli.json().path("batch").path(0);
        assertTrue(text(row.path("inputs")).contains("<extra_id_0>"), row.toString());
        assertTrue(text(row.path("targets")).startsWith("<extra_id_0>"), row.toString());
        int at = row.path("inputs")
                .valueStream()
                .map(JsonNode::asString)
                .toList()
                .indexOf("<extra_id_0>");
        assertTrue(row.path("corrupted").path(at).asBoolean());
        assertEquals(row.path("targets").size(), row.path("counted").asInt());
    }

    @Test
    void showsConversationsWithTheirContext() throws IOException {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < 20; i++) {
            rows.append(
                    "{\"messages\": [{\"role\": \"user\", \"content\": \"Count.\"}, {\"role\": \"assistant\", \"content\": \"%s\"}]}\n"
                            .formatted("one ".repeat(i + 1)));
        }
        rows.append("{\"messages\": []}\n");
        Path file = Files.writeString(folder.resolve("rows.jsonl"), rows);
        String[] changes = {
            "data={path: %s, max_length: 256, validation_share: 0.2, chat_template: chatml}".formatted(file),
            "tokenizer={type: bpe, vocab_size: 300}",
            "model.max_position_embeddings=256",
            "--show-batch",
            "--json"
        };
        JsonNode row = plan(changes).json().path("batch").path(0);
        assertTrue(text(row.path("inputs")).startsWith("<|im_start|>user\nCount."), row.toString());
        assertTrue(row.path("context").path(0).asBoolean());
        assertTrue(row.path("documents").size() > 1);
        StringBuilder counted = new StringBuilder();
        row.path("targets").forEach(target -> counted.append(target.isNull() ? "" : target.asString()));
        assertTrue(counted.toString().matches("((one )+<\\|im_end\\|>)+"), counted.toString());
        changes[4] = "seed=42";
        Cli shown = plan(changes);
        assertTrue(shown.out().contains("  documents: "), shown.out());
        assertTrue(shown.out().contains("1 row left out: 'messages' is empty (first " + file + ":21)"), shown.out());
    }

    private static String text(JsonNode pieces) {
        return String.join("", pieces.valueStream().map(JsonNode::asString).toList());
    }

    @Test
    void printsEverySection() {
        Cli cli = plan();
        assertEquals(0, cli.code(), cli.err());
        for (String heading : List.of("model", "memory", "data", "tokens", "steps", "rate", "time")) {
            assertTrue(cli.out().lines().anyMatch(line -> line.startsWith(heading)), heading + " in " + cli.out());
        }
    }

    @Test
    void badRecipesAreBadInput() {
        Cli key = plan("learning_rat=1");
        assertEquals(2, key.code());
        assertTrue(key.error().contains("did you mean 'learning_rate'?"), key.err());
        assertEquals(2, Cli.run("plan", folder.resolve("no.yaml").toString()).code());
    }
}
