package quern.cli.verb;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.ProgressLine;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.data.DataConfig;
import quern.data.TokenStore;
import quern.data.TokenStream;
import quern.evaluate.Perplexity;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** {@code quern eval}: how well a model predicts texts. */
@Command(
        name = "eval",
        description = {
            "Measure how well a model predicts a text.",
            "The text is read in windows that do not overlap; every token but the first is predicted once. Of instruction",
            "rows only the answers are predicted, and rows longer than --max-length are cut, whatever data.on_too_long the",
            "training had."
        })
public final class Eval implements Verb {
    private static final String WINDOWS = "windows of %,d tokens";
    private static final String ANSWERS = "answers in rows of %,d tokens, longer rows cut";

    @Parameters(paramLabel = "FOLDER", description = ModelArguments.FOLDER)
    private Path folder;

    @Mixin
    private ModelArguments arguments;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "PATH",
            description = {
                "A file, folder or glob of .txt, .jsonl or .json (.gz and .zst too); may be given several times, and all",
                "the text counts as one."
            })
    private List<String> data;

    @Option(
            names = "--field",
            paramLabel = "NAME",
            description = "The key that holds the text in a .jsonl line (text).")
    private String field = "text";

    @Option(
            names = "--max-length",
            paramLabel = "N",
            description = "Tokens in a window or row; the model's context unless given.")
    private Optional<Integer> maxLength = Optional.empty();

    @Option(names = "--batch-size", paramLabel = "N", description = "Windows or rows read side by side (8).")
    private int batchSize = 8;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        if (batchSize < 1) {
            throw QuernException.badInput("--batch-size: expected 1 or more, found %d", batchSize);
        }
        Terminal terminal = Terminal.stderr();
        DataConfig config =
                DataConfig.files(data.toArray(String[]::new)).withField(field).withValidationShare(0);
        try (ModelArguments.Opened opened = arguments.open(folder, terminal.out())) {
            Perplexity.requireCausal(opened.model());
            TokenStore store = TokenStore.prepare(config, opened.tokenizer(), terminal.out()::println);
            store.report().rejections().forEach(terminal.out()::println);
            TokenStream text = store.train();
            if (text.size() < 2) {
                throw QuernException.badInput(
                        "%s: %,d tokens, too short to evaluate, which needs 2; give more text",
                        String.join(", ", data), text.size());
            }
            int context = opened.model().config().longestPass();
            int length = maxLength.orElse(context);
            opened.folder()
                    .trainedLength()
                    .filter(trained -> maxLength.isEmpty() && trained < context)
                    .ifPresent(trained -> terminal.out()
                            .println(
                                    "%s of %,d tokens, the model's context; it was trained on rows of %,d (--max-length %d)"
                                            .formatted(
                                                    text.hasPrompts() ? "rows" : "windows",
                                                    context,
                                                    trained,
                                                    trained)));
            Perplexity result = measure(opened, text, length, terminal);
            PrintWriter out = spec.commandLine().getOut();
            if (json.wanted()) {
                JsonOption.print(out, Double.isNaN(result.bitsPerByte()) ? ofAnswers(result) : result);
            } else {
                print(out, text.hasPrompts() ? ANSWERS : WINDOWS, length, result);
            }
        }
        return ExitCode.DONE;
    }

    private Perplexity measure(ModelArguments.Opened opened, TokenStream text, int length, Terminal terminal) {
        if (length < 1) {
            throw QuernException.badInput("--max-length: expected 1 or more, found %d", length);
        }
        Perplexity.Measurement measurement = Perplexity.prepare(opened.model(), text, length, batchSize);
        measurement.notices().forEach(terminal.out()::println);
        try (ProgressLine progress = new ProgressLine(terminal, "eval", 0, measurement.batches())) {
            return measurement.measure(done -> progress.update(done, Double.NaN, Double.NaN, 0));
        }
    }

    /** Without bits a byte, which answers alone don't have. */
    private static Map<String, Number> ofAnswers(Perplexity result) {
        Map<String, Number> all = new LinkedHashMap<>();
        all.put("loss", result.loss());
        all.put("perplexity", result.perplexity());
        all.put("tokens", result.tokens());
        return all;
    }

    private void print(PrintWriter out, String reading, int length, Perplexity result) {
        out.println("%s on %s, %s".formatted(folder, String.join(", ", data), reading.formatted(length)));
        out.println(row("loss", "%.4f nats a token", result.loss()));
        out.println(row("perplexity", "%.4f", result.perplexity()));
        if (!Double.isNaN(result.bitsPerByte())) {
            out.println(row("bits per byte", "%.4f", result.bitsPerByte()));
        }
        out.println(row("tokens", "%,d", result.tokens()));
        out.flush();
    }

    private static String row(String name, String format, Object value) {
        return "  %-14s ".formatted(name) + String.format(Locale.ROOT, format, value);
    }
}
