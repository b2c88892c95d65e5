package quern.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import quern.models.LanguageModel;
import quern.nn.Pass;
import quern.nn.Tape;
import quern.nn.TransformerBlock;
import quern.recipe.Block;
import quern.recipe.RecipeFile;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.Kernels;

/** Trainings of some thousand weights on some thousand characters, and what their folders hold. */
final class TinyRuns {
    private static final String[] WORDS = {
        "the", "miller", "ground", "her", "corn", "at", "dawn", "and", "sang", "while", "stone", "turned", "slowly"
    };

    /** A GPT-2 of two blocks with dropout. */
    static final String GPT2 = "{family: gpt2, n_layer: 2, n_head: 2, n_embd: 16, n_positions: 16, dropout: 0.1}";

    /** A Llama of two blocks with dropout. */
    static final String LLAMA =
            "{family: llama, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1,"
                    + " intermediate_size: 32, max_position_embeddings: 16, attention_dropout: 0.1}";

    /** A model of two blocks composed of parts. */
    static final String CUSTOM =
            "{family: custom, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 4, max_position_embeddings: 16,"
                    + " attention: gqa, num_key_value_heads: 2, position: {type: rotary, partial_rotary_factor: 0.5},"
                    + " norm: layer_norm, feed_forward: geglu, qk_norm: true, residual_dropout: 0.1, tie_word_embeddings: true}";

    /**
     * A GPT-2 of two blocks without dropout, wide and long enough for hand-written blocks to be the faster ones in fp32 and bf16
     * with {@link #LONG} and four rows a batch.
     */
    static final String WIDE_GPT2 = "{family: gpt2, n_layer: 2, n_head: 2, n_embd: 64, n_positions: 64, dropout: 0}";

    /** A Llama, likewise. */
    static final String WIDE_LLAMA =
            "{family: llama, hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2,"
                    + " intermediate_size: 160, max_position_embeddings: 64}";

    /** The override that goes with the wide ones. */
    static final String LONG = "data.max_length=64";

    /** Values of a metrics line that tell of the clock. */
    private static final Set<String> TIMES = Set.of("tokens_per_sec", "eval_runtime");

    private TinyRuns() {}

    /** Lines of four to twelve words, the same for the same seed. */
    static String text(long seed, int lines) {
        SplittableRandom random = new SplittableRandom(seed);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < lines; i++) {
            int words = random.nextInt(4, 13);
            for (int w = 0; w < words; w++) {
                text.append(w == 0 ? "" : " ").append(WORDS[random.nextInt(WORDS.length)]);
            }
            text.append('\n');
        }
        return text.toString();
    }

    /**
     * A recipe of 12 steps whose text is {@code folder/text.txt}, made when it is missing, and whose run folder is {@code
     * folder/run}.
     */
    static String recipe(Path folder) {
        return recipe(folder, GPT2);
    }

    private static String recipe(Path folder, String model) {
        Path text = folder.resolve("text.txt");
        try {
            if (!Files.exists(text)) {
                Files.writeString(text, text(5, 40));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return """
                output_dir: %s
                seed: 3
                model: %s
                tokenizer: char
                data: {path: %s, validation_share: 0.1, max_length: 16}
                learning_rate: 1e-2
                weight_decay: 0.1
                warmup_steps: 2
                per_device_train_batch_size: 4
                max_steps: 12
                logging_steps: 1
                eval_steps: 5
                save_steps: 4
                threads: 2
                """.formatted(folder.resolve("run"), model, text);
    }

    /** {@link #recipe} of prompts and answers of uneven length, several packed into a row. */
    static String instructions(Path folder) {
        Path rows = folder.resolve("rows.jsonl");
        StringBuilder lines = new StringBuilder();
        for (String line : text(6, 60).split("\n")) {
            int cut = line.indexOf(' ', line.length() / 3);
            lines.append("{\"instruction\": \"Go on.\", \"input\": \"%s\", \"output\": \"%s\"}\n"
                    .formatted(line.substring(0, cut), line.substring(cut)));
        }
        try {
            Files.writeString(rows, lines);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return recipe(folder, LLAMA.replace("max_position_embeddings: 16", "max_position_embeddings: 512"))
                .replace(folder.resolve("text.txt").toString(), rows.toString())
                .replace("tokenizer: char", "tokenizer: {type: bpe, vocab_size: 300}")
                .replace("max_length: 16", "max_length: 512, packing: true");
    }

    /** {@link #recipe} of the GPT-2 whose blocks are hand-written. */
    static String wideRecipe(Path folder) {
        return recipe(folder, WIDE_GPT2).replace("max_length: 16", "max_length: 64");
    }

    /** How many blocks of a model are hand-written in training on four rows of 64 tokens. */
    static long blocksByHand(LanguageModel model) {
        try (Scope scope = Scope.open()) {
            Tensor ids = Tensor.zeros(DType.INT64, 4, 64);
            try (Tape tape = model.network().forward(model.lossInputs(ids, null, ids), Pass.training(1))) {
                Set<String> byHand = Set.copyOf(tape.handWritten());
                return model.network().visits().stream()
                        .filter(segment -> segment instanceof TransformerBlock && byHand.contains(segment.name()))
                        .count();
            }
        }
    }

    /** As above, of the model that a finished run left; in fp32. */
    static long blocksByHand(Path run) {
        try (LanguageModel model = LanguageModel.load(run, DType.FP32, Device.CPU)) {
            return blocksByHand(model);
        }
    }

    /** Whether hand-written blocks are taken where they are faster, so that the wide models have them. */
    static boolean takesHandWrittenBlocks() {
        return Kernels.available() && !"never".equals(System.getenv("QUERN_FUSED_BLOCKS"));
    }

    /** {@link #recipe} of another model, with overrides. */
    static Block blockOf(String model, Path folder, String... overrides) {
        return RecipeFile.load("tiny.yaml", recipe(folder, model), List.of(overrides));
    }

    /** {@link #recipe} with overrides. */
    static Block block(Path folder, String... overrides) {
        return RecipeFile.load("tiny.yaml", recipe(folder), List.of(overrides));
    }

    /** Trains a recipe to its end. */
    static TrainingRun.Outcome train(Block recipe, TrainingHook... hooks) {
        try (TrainingRun run = TrainingRun.start(recipe, note -> {})) {
            List.of(hooks).forEach(run::addHook);
            return run.train();
        }
    }

    /** Begins a recipe and asks it to stop when step {@code stop} is done. */
    static TrainingRun.Outcome trainUntil(Block recipe, long stop) {
        try (TrainingRun run = TrainingRun.start(recipe, note -> {})) {
            return stopAt(run, stop);
        }
    }

    /** Goes on with a run and asks it to stop when step {@code stop} is done. */
    static TrainingRun.Outcome resumeUntil(Path run, long stop, String... overrides) {
        try (TrainingRun resumed = TrainingRun.resume(run, List.of(overrides), note -> {})) {
            return stopAt(resumed, stop);
        }
    }

    /** Goes on with a run to its end. */
    static TrainingRun.Outcome resume(Path run, String... overrides) {
        try (TrainingRun resumed = TrainingRun.resume(run, List.of(overrides), note -> {})) {
            return resumed.train();
        }
    }

    private static TrainingRun.Outcome stopAt(TrainingRun run, long stop) {
        run.addHook(new TrainingHook() {
            @Override
            public void onStep(TrainingProgress progress, StepResult result) {
                if (progress.step() == stop) {
                    run.requestStop();
                }
            }
        });
        return run.train();
    }

    /** The lines of a run's metrics without those values that tell of the clock. */
    static List<Map<String, Double>> metrics(Path run) {
        return timeless(MetricsLog.read(run));
    }

    /** Lines of metrics without those values that tell of the clock. */
    static List<Map<String, Double>> timeless(List<Map<String, Double>> metrics) {
        List<Map<String, Double>> lines = new ArrayList<>();
        for (Map<String, Double> line : metrics) {
            Map<String, Double> timeless = new LinkedHashMap<>(line);
            timeless.keySet().removeAll(TIMES);
            lines.add(timeless);
        }
        return lines;
    }

    /** Every file below a folder with its content as text of one character a byte. */
    static Map<String, String> content(Path folder) {
        Map<String, String> all = new TreeMap<>();
        for (Path file : files(folder)) {
            try {
                all.put(
                        folder.relativize(file).toString(),
                        new String(Files.readAllBytes(file), java.nio.charset.StandardCharsets.ISO_8859_1));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return all;
    }

    /** Every regular file below a folder. */
    static List<Path> files(Path folder) {
        try (Stream<Path> walk = Files.walk(folder)) {
            return walk.filter(Files::isRegularFile).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The names in a folder, hidden ones too. */
    static List<String> names(Path folder) {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.map(p -> p.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
