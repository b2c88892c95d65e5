package quern.cli.verb;

import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.RecipeArguments;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.cli.internal.PreparationDisplay;
import quern.cli.internal.SparkJob;
import quern.cli.internal.StopSignals;
import quern.data.corpus.CorpusPreparation;
import quern.data.corpus.PrepareRecipe;
import quern.data.corpus.PrepareReport;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;

/** {@code quern data prepare}: from raw files to clean documents and token shards. */
@Command(
        name = "prepare",
        description = {
            "Read a corpus, clean it, and write documents, token shards and a report.",
            "The recipe's block 'prepare' names sources, stages, a tokenizer and output_dir. Each stage keeps its output, so",
            "the same command goes on where it was stopped, and a changed recipe begins at the stage that changed. A recipe",
            "of quern train reads the result by data.path: OUTPUT_DIR and tokenizer: {path: OUTPUT_DIR}.",
            "",
            "  quern data prepare recipe.yaml",
            "  quern data prepare recipe.yaml prepare.threads=8 prepare.output_dir=corpus",
            "  quern data prepare recipe.yaml --engine spark --master local[4]",
            ""
        })
public final class DataPrepare implements Verb {
    @Mixin
    private RecipeArguments recipe;

    @Mixin
    private JsonOption json;

    @Option(
            names = "--engine",
            paramLabel = "local|spark",
            description = {
                "What runs it: this machine, or Spark, which leaves the same documents. Spark is that of SPARK_HOME,",
                "or fetched as a library; its settings are its own."
            })
    private Engine engine = Engine.LOCAL;

    @Option(names = "--master", paramLabel = "MASTER", description = "Spark's master, such as local[2] or k8s://….")
    private Optional<String> master = Optional.empty();

    /** What can run it. */
    enum Engine {
        /** This machine. */
        LOCAL,
        /** A cluster. */
        SPARK
    }

    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        PrepareRecipe bound = bind(recipe);
        if (engine == Engine.SPARK) {
            if (json.wanted()) {
                throw QuernException.badInput(
                        "--json: a job on Spark prints none; read report.json in %s when it is done",
                        bound.outputDir());
            }
            return SparkJob.run(master, recipe.recipe().orElseThrow(), recipe.overrides());
        }
        if (master.isPresent()) {
            throw QuernException.badInput("--master: names a Spark master; add --engine spark, or leave it out");
        }
        Terminal terminal = json.wanted() ? Terminal.stderr() : Terminal.stdout();
        PrepareReport report;
        try (PreparationDisplay display = new PreparationDisplay(terminal);
                StopSignals signals = StopSignals.first(() -> stop(display, bound.outputDir()))) {
            report = CorpusPreparation.run(bound, display);
        }
        if (json.wanted()) {
            JsonOption.print(spec.commandLine().getOut(), report);
            return ExitCode.DONE;
        }
        Path output = bound.outputDir();
        terminal.out().println();
        terminal.out().printf("%,d documents in %s%n", report.documents(), output.resolve("documents"));
        report.tokens()
                .ifPresent(tokens -> terminal.out()
                        .printf(
                                "%,d tokens to train on, %,d to validate (vocabulary %,d)%n",
                                tokens.train(), tokens.validation(), tokens.vocabularySize()));
        terminal.out().println("report  " + output.resolve("report.html"));
        terminal.out().println();
        terminal.out().println("Next:");
        terminal.out()
                .println(
                        report.tokens().isPresent()
                                ? "  quern train RECIPE data.path=%s tokenizer=null tokenizer.path=%s"
                                        .formatted(output, output)
                                : "  quern train RECIPE data.path=" + output);
        terminal.out().flush();
        return ExitCode.DONE;
    }

    /** What is whole lies in its place at any moment, so nothing has to be finished first. */
    private static void stop(PreparationDisplay display, Path output) {
        display.note("Stopped; what was done so far is kept in %s. The same command goes on.".formatted(output));
        Runtime.getRuntime().exit(ExitCode.STOPPED.code());
    }

    /** The block {@code prepare} of the recipe that was named. */
    static PrepareRecipe bind(RecipeArguments arguments) {
        Path file = arguments
                .recipe()
                .orElseThrow(() -> QuernException.badInput(
                        "no recipe is named; expected a file with a block 'prepare', as in recipes/prepare.yaml"));
        return PrepareRecipe.of(RecipeFile.load(file, arguments.overrides()));
    }
}
