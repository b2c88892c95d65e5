package quern.cli.verb;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.RecipeArguments;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.data.DataConfig;
import quern.data.Documents;
import quern.data.TextUnit;
import quern.data.Tokenizer;
import quern.data.TokenizerTrainer;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.recipe.Techniques;
import quern.train.RecipeTokenizer;

/** {@code quern tokenizer train}: learns a tokenizer from a recipe's data or from files. */
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        description = {
            "Learn a tokenizer: that of a recipe from the recipe's data, or of a --type from text files.",
            "With --type, KEY=VALUE are that type's settings, such as min_frequency=3 or special_tokens=[<unk>,</s>]."
        })
public final class TokenizerTrain implements Verb {
    @Mixin
    private RecipeArguments arguments;

    @Option(
            names = "--type",
            paramLabel = "TYPE",
            description = "What to learn from the files: bpe, wordpiece, unigram, char.")
    private String type;

    @Option(names = "--vocab-size", paramLabel = "N", description = "With --type: tokens to learn at most.")
    private Integer vocabSize;

    @Option(
            names = "--text-unit",
            paramLabel = "file|paragraph|line",
            description = "With --type: what counts as a document in a .txt file; line unless told otherwise.")
    private TextUnit textUnit;

    @Option(names = "--threads", paramLabel = "N", description = "With --type: threads; all unless told otherwise.")
    private int threads;

    @Option(names = "--output", required = true, paramLabel = "DIR", description = "The folder to write.")
    private Path output;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    /**
     * What {@code --json} prints.
     *
     * @param output the folder
     * @param tokens in the vocabulary
     */
    record Result(String output, int tokens, double seconds) {}

    @Override
    public ExitCode run() {
        long start = System.nanoTime();
        Tokenizer tokenizer = type == null ? fromRecipe() : fromFiles();
        tokenizer.save(output);
        Result result = new Result(output.toString(), tokenizer.vocabularySize(), (System.nanoTime() - start) / 1e9);
        PrintWriter out = spec.commandLine().getOut();
        if (json.wanted()) {
            JsonOption.print(out, result);
        } else {
            out.println(String.format(
                    Locale.ROOT, "%s: %,d tokens, %.1f s", result.output(), result.tokens(), result.seconds()));
            out.flush();
        }
        return ExitCode.DONE;
    }

    private Tokenizer fromRecipe() {
        Path recipe = arguments
                .recipe()
                .orElseThrow(
                        () -> QuernException.badInput(
                                "name a recipe, or files with --type: quern tokenizer train --type bpe --vocab-size 8000 FILE… --output DIR"));
        if (vocabSize != null || textUnit != null || threads != 0) {
            throw QuernException.badInput(
                    "--vocab-size, --text-unit and --threads go with --type; a recipe says it by tokenizer.vocab_size=N and data.text_unit=line");
        }
        return RecipeTokenizer.of(
                        RecipeFile.load(recipe, arguments.overrides()),
                        Terminal.stderr().out()::println)
                .tokenizer();
    }

    private Tokenizer fromFiles() {
        List<Path> files = arguments.paths();
        if (files.isEmpty()) {
            throw QuernException.badInput("--type %s: no file to learn from; name text files or folders", type);
        }
        if (threads < 0) {
            throw QuernException.badInput("--threads: expected 1 or more, found %d", threads);
        }
        TokenizerTrainer trainer = Techniques.find(TokenizerTrainer.class, "tokenizer", type, Position.of("--type"));
        Block settings = RecipeFile.load("settings of " + type, "{}", arguments.overrides());
        if (vocabSize != null) {
            settings = settings.with("vocab_size", (long) vocabSize);
        }
        Record config = settings.bind(trainer.config());
        DataConfig data = DataConfig.files(files.stream().map(Path::toString).toArray(String[]::new))
                .withTextUnit(textUnit == null ? TextUnit.LINE : textUnit);
        int workers = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
        try (Documents.Cursor cursor = Documents.open(data).iterator()) {
            Tokenizer made = trainer.train(() -> texts(cursor), config, workers).tokenizer();
            long replaced = cursor.report().replacedSequences();
            if (replaced > 0) {
                Terminal.stderr().out().println("%,d invalid UTF-8 sequences became U+FFFD".formatted(replaced));
            }
            return made;
        }
    }

    private static Iterator<String> texts(Documents.Cursor cursor) {
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return cursor.hasNext();
            }

            @Override
            public String next() {
                return cursor.next().text();
            }
        };
    }
}
