package quern.bench;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import quern.data.DataConfig;
import quern.data.Documents;
import quern.data.TextUnit;
import quern.data.Tokenizer;
import quern.data.TokenizerJson;
import quern.data.TokenizerTrainer;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.Techniques;

/**
 * Quern's side of the tokenizers' comparison, as {@code bench/python/tokenizer.py} is the other's: {@code train TYPE SIZE
 * TEXT}, from the first byte read to the vocabulary in a new process, or {@code encode TOKENIZER TEXT}, the best of three
 * rounds over lines in memory, by the clock and by the processor time of all threads. Prints a line of JSON.
 */
public final class TokenizerBenchmark {
    private static final int ROUNDS = 3;
    private static final int LINES = 4096;

    private TokenizerBenchmark() {}

    /** Takes a job and its arguments. */
    public static void main(String[] arguments) throws IOException {
        if (arguments[0].equals("train")) {
            train(arguments[1], Integer.parseInt(arguments[2]), Path.of(arguments[3]));
        } else {
            encode(Tokenizer.load(Path.of(arguments[1])), Path.of(arguments[2]));
        }
    }

    private static void train(String type, int size, Path text) {
        Position where = Position.of("benchmark");
        TokenizerTrainer trainer = Techniques.find(TokenizerTrainer.class, "tokenizer", type, where);
        Record config = Block.empty(where).with("vocab_size", (long) size).bind(trainer.config());
        long start = System.nanoTime();
        Documents lines = Documents.open(DataConfig.files(text.toString()).withTextUnit(TextUnit.LINE));
        TokenizerJson learned = trainer.train(lines.texts(), config);
        double seconds = (System.nanoTime() - start) / 1e9;
        System.out.printf(
                Locale.ROOT,
                "{\"seconds\": %.4f, \"tokens\": %d}%n",
                seconds,
                learned.vocabulary().size());
    }

    private static void encode(Tokenizer tokenizer, Path text) throws IOException {
        List<String> lines =
                List.of(Files.readString(text, StandardCharsets.UTF_8).split("\n", -1));
        OperatingSystemMXBean process = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        double size = Files.size(text) / 1e6;
        double best = 0;
        double byProcessor = 0;
        long ids = 0;
        for (int round = 0; round < ROUNDS; round++) {
            long start = System.nanoTime();
            long busy = process.getProcessCpuTime();
            ids = 0;
            for (int begin = 0; begin < lines.size(); begin += LINES) {
                List<String> batch = lines.subList(begin, Math.min(lines.size(), begin + LINES));
                for (int[] line : tokenizer.encodeAll(batch)) {
                    ids += line.length;
                }
            }
            best = Math.max(best, size / ((System.nanoTime() - start) / 1e9));
            byProcessor = Math.max(byProcessor, size / ((process.getProcessCpuTime() - busy) / 1e9));
        }
        System.out.printf(
                Locale.ROOT,
                "{\"encode_mb_per_sec\": %.3f, \"encode_mb_per_processor_sec\": %.3f, \"ids\": %d}%n",
                best,
                byProcessor,
                ids);
    }
}
