package quern.spark;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import quern.data.corpus.PrepareRecipe;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;

/**
 * The program that is submitted to Spark: {@code RECIPE [KEY=VALUE…]}, as {@code quern data prepare} takes them. The master
 * is the one of {@code spark-submit}, or of the system property {@code spark.master}.
 */
public final class PrepareMain {
    /** Keys of a recipe, and what there is instead. */
    private static final Map<String, String> WITHOUT_EFFECT = new TreeMap<>(Map.of(
            "threads", "the master and the executors' cores say how much runs at once",
            "keep_stages", "no output of a stage is kept"));

    private PrepareMain() {}

    /** What this program needs of Spark where nothing else is said. */
    public static SparkConf configuration() {
        SparkConf configuration = new SparkConf();
        configuration.setIfMissing("spark.app.name", "quern data prepare");
        configuration.setIfMissing("spark.serializer", "org.apache.spark.serializer.KryoSerializer");
        configuration.setIfMissing("spark.ui.showConsoleProgress", "false");
        configuration.setIfMissing("spark.log.level", "WARN");
        return configuration;
    }

    /** Runs it and ends the process with its exit code where that is not 0. */
    public static void main(String[] arguments) {
        Locale.setDefault(Locale.ROOT);
        ExitCode code = run(arguments, System.err);
        if (code != ExitCode.DONE) {
            System.exit(code.code());
        }
    }

    static ExitCode run(String[] arguments, PrintStream err) {
        if (arguments.length == 0) {
            err.println("quern: error: name a recipe with a block 'prepare'");
            return ExitCode.BAD_INPUT;
        }
        try {
            Block recipe =
                    RecipeFile.load(Path.of(arguments[0]), List.of(arguments).subList(1, arguments.length));
            PrepareRecipe prepare = PrepareRecipe.of(recipe);
            refuseWithoutEffect(recipe.block("prepare"));
            try (JavaSparkContext context = new JavaSparkContext(configuration())) {
                SparkPreparation.run(context, prepare, err::println);
            }
            return ExitCode.DONE;
        } catch (RuntimeException e) {
            QuernException known = known(e);
            if (known == null) {
                throw e;
            }
            err.println("quern: error: " + known.getMessage());
            return known.exitCode();
        }
    }

    private static void refuseWithoutEffect(Block prepare) {
        WITHOUT_EFFECT.forEach((key, why) -> {
            if (prepare.has(key)) {
                throw QuernException.badInput(
                        "%s: prepare.%s: has no effect on Spark, where %s; leave it out",
                        prepare.position(key), key, why);
            }
        });
    }

    /** The failure that a task met, which Spark wraps in its own. */
    private static QuernException known(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof QuernException known) {
                return known;
            }
        }
        return null;
    }
}
