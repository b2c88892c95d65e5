package quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.models.LanguageModel;
import quern.recipe.Block;
import quern.recipe.RecipeFile;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** What a person, a plot or another program finds in a run folder. */
class RunFolderTest {
    @TempDir
    Path folder;

    @Test
    void holdsWhatItPromises() throws IOException {
        Block recipe =
                TinyRuns.block(folder, "sample_steps=6", "sample_max_new_tokens=7", "sample_prompt=the", "seed=9");
        float[][] logits = new float[2][];
        TrainingRun.Outcome outcome;
        long[] ids = {1, 4, 2, 0, 3};
        try (TrainingRun run = TrainingRun.start(recipe, note -> {})) {
            outcome = run.train();
            try (Scope scope = Scope.open()) {
                logits[0] =
                        run.model().logits(Tensor.of(ids, 1, ids.length), null).toFloats();
            }
        }
        Path run = outcome.folder();
        assertTrue(
                TinyRuns.names(run)
                        .containsAll(List.of(
                                "README.md",
                                "checkpoint-12",
                                "checkpoint-8",
                                "config.json",
                                "generation_config.json",
                                "metrics.jsonl",
                                "model.safetensors",
                                "recipe.yaml",
                                "samples.jsonl",
                                "tensorboard",
                                "tokenizer.json",
                                "tokenizer_config.json")),
                TinyRuns.names(run).toString());

        assertEquals(recipe, RecipeFile.load(run.resolve("recipe.yaml"), List.of()));

        try (LanguageModel model = LanguageModel.load(run, DType.FP32, Device.CPU);
                Scope scope = Scope.open()) {
            logits[1] = model.logits(Tensor.of(ids, 1, ids.length), null).toFloats();
        }
        assertArrayEquals(logits[0], logits[1]);

        List<Map<String, Double>> metrics = MetricsLog.read(run);
        Set<String> training = Set.of(
                "step", "loss", "grad_norm", "learning_rate", "epoch", "num_input_tokens_seen", "tokens_per_sec");
        Set<String> evaluation =
                Set.of("step", "eval_loss", "eval_perplexity", "eval_bits_per_byte", "eval_runtime", "epoch");
        List<Double> evaluated = new ArrayList<>();
        List<Double> trained = new ArrayList<>();
        for (Map<String, Double> line : metrics) {
            boolean ofEvaluation = line.containsKey("eval_loss");
            assertEquals(ofEvaluation ? evaluation : training, line.keySet());
            (ofEvaluation ? evaluated : trained).add(line.get("step"));
        }
        assertEquals(List.of(5.0, 10.0, 12.0), evaluated);
        assertEquals(List.of(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0), trained);
        assertEquals((double) outcome.tokens(), metrics.get(metrics.size() - 2).get("num_input_tokens_seen"));
        assertTrue(
                metrics.getFirst().get("loss") > metrics.get(metrics.size() - 2).get("loss"), metrics.toString());
        Map<String, Double> last = metrics.getLast();
        assertEquals(Math.exp(last.get("eval_loss")), last.get("eval_perplexity"), 1e-12 * last.get("eval_perplexity"));

        List<String> samples = Files.readAllLines(run.resolve("samples.jsonl"));
        assertEquals(2, samples.size());
        for (int i = 0; i < samples.size(); i++) {
            var sample = Json.parse(samples.get(i));
            assertEquals(6 * (i + 1), sample.get("step").asInt());
            assertEquals("the", sample.get("prompt").asString());
            // A character is a token here.
            assertEquals(7, sample.get("text").asString().length(), samples.get(i));
        }
        assertEquals(events(metrics), readEvents(run.resolve("tensorboard")));
    }

    @Test
    void aTakenNameGetsASuffix() {
        assertEquals(
                folder.resolve("run"),
                TinyRuns.train(TinyRuns.block(folder, "max_steps=2")).folder());
        Map<String, String> first = TinyRuns.content(folder.resolve("run"));
        assertEquals(
                folder.resolve("run-2"),
                TinyRuns.train(TinyRuns.block(folder, "max_steps=2")).folder());
        assertEquals(
                folder.resolve("run-3"),
                TinyRuns.train(TinyRuns.block(folder, "max_steps=2")).folder());
        assertEquals(first, TinyRuns.content(folder.resolve("run")), "the first run is as it was");
    }

    /** TensorBoard keeps the later of two values of a step only when it is told of the restart. */
    @Test
    void eventsSayWhereARunWasResumed() throws IOException {
        Path run = TinyRuns.trainUntil(TinyRuns.block(folder, "tensorboard=true"), 6)
                .folder();
        TinyRuns.resume(run.resolve("checkpoint-4"));
        assertEquals(2, TinyRuns.files(run.resolve("tensorboard")).size());
        Map<String, Map<Long, Float>> read = readEvents(run.resolve("tensorboard"));
        assertEquals(events(MetricsLog.read(run)), read);
    }

    private static Map<String, Map<Long, Float>> events(List<Map<String, Double>> metrics) {
        Map<String, Map<Long, Float>> all = new LinkedHashMap<>();
        for (Map<String, Double> line : metrics) {
            boolean evaluation = line.containsKey("eval_loss");
            line.forEach((name, value) -> {
                if (!name.equals("step")) {
                    String tag = name.startsWith("eval_") ? "eval/" + name.substring(5) : "train/" + name;
                    all.computeIfAbsent(tag, t -> new LinkedHashMap<>())
                            .put(line.get("step").longValue(), value.floatValue());
                }
            });
            assertTrue(evaluation || line.containsKey("loss"));
        }
        return all;
    }

    /** Tag to step to value, later files and records winning over earlier ones as TensorBoard lets them. */
    private static Map<String, Map<Long, Float>> readEvents(Path tensorboard) throws IOException {
        Map<String, Map<Long, Float>> all = new LinkedHashMap<>();
        for (Path file : TinyRuns.files(tensorboard)) {
            assertTrue(file.getFileName().toString().startsWith("events.out.tfevents."), file.toString());
            ByteBuffer records = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
            boolean first = true;
            while (records.hasRemaining()) {
                Event event = Event.read(record(records));
                assertEquals(first ? "brain.Event:2" : "", event.fileVersion);
                first = false;
                if (event.starts) {
                    all.values().forEach(steps -> steps.keySet().removeIf(step -> step >= event.step));
                }
                event.scalars.forEach((tag, value) ->
                        all.computeIfAbsent(tag, t -> new LinkedHashMap<>()).put(event.step, value));
            }
        }
        return all;
    }

    /** One record of TFRecord framing. */
    private static byte[] record(ByteBuffer records) {
        byte[] length = new byte[Long.BYTES];
        records.get(records.position(), length);
        int size = Math.toIntExact(records.getLong());
        assertEquals(masked(length), records.getInt(), "checksum of a length");
        byte[] data = new byte[size];
        records.get(data);
        assertEquals(masked(data), records.getInt(), "checksum of a record");
        return data;
    }

    /** CRC-32C bit by bit (reflected polynomial 0x82f63b78), rotated right by 15 and offset as TFRecord says. */
    private static int masked(byte[] data) {
        int crc = -1;
        for (byte b : data) {
            crc ^= b & 0xff;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1));
            }
        }
        return Integer.rotateRight(~crc, 15) + 0xa282ead8;
    }

    /** The fields of TensorBoard's Event message that matter here. */
    private static final class Event {
        long step;
        String fileVersion = "";
        boolean starts;
        final Map<String, Float> scalars = new LinkedHashMap<>();

        static Event read(byte[] message) {
            Event event = new Event();
            Set<Integer> fields = new TreeSet<>();
            ByteBuffer in = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
            while (in.hasRemaining()) {
                int key = (int) varint(in);
                fields.add(key >>> 3);
                switch (key) {
                    case 1 << 3 | 1 -> assertTrue(in.getDouble() > 1.6e9, "wall time in seconds");
                    case 2 << 3 -> event.step = varint(in);
                    case 3 << 3 | 2 -> event.fileVersion = new String(bytes(in), StandardCharsets.UTF_8);
                    case 5 << 3 | 2 -> event.readSummary(bytes(in));
                    case 7 << 3 | 2 -> {
                        // SessionLog: status (1) = START (1).
                        assertArrayEquals(new byte[] {1 << 3, 1}, bytes(in));
                        event.starts = true;
                    }
                    default -> throw new AssertionError("field key " + key);
                }
            }
            assertTrue(fields.contains(1), "an event has a wall time");
            return event;
        }

        private void readSummary(byte[] message) {
            ByteBuffer in = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
            while (in.hasRemaining()) {
                assertEquals(1 << 3 | 2, varint(in));
                ByteBuffer value = ByteBuffer.wrap(bytes(in)).order(ByteOrder.LITTLE_ENDIAN);
                assertEquals(1 << 3 | 2, varint(value));
                String tag = new String(bytes(value), StandardCharsets.UTF_8);
                assertEquals(2 << 3 | 5, varint(value));
                scalars.put(tag, value.getFloat());
                assertEquals(0, value.remaining());
            }
        }

        private static byte[] bytes(ByteBuffer in) {
            byte[] all = new byte[(int) varint(in)];
            in.get(all);
            return all;
        }

        private static long varint(ByteBuffer in) {
            long value = 0;
            for (int shift = 0; ; shift += 7) {
                byte b = in.get();
                value |= (long) (b & 0x7f) << shift;
                if (b >= 0) {
                    return value;
                }
            }
        }
    }
}
