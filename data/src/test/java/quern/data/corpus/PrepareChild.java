package quern.data.corpus;

import java.nio.file.Path;
import java.util.List;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;

/** Prepares a corpus in a JVM of its own, which a test may keep small or kill. */
public final class PrepareChild {
    private PrepareChild() {}

    /** Runs the recipe in a file; a known failure is one line on standard error, whose exit code is kept. */
    public static void main(String[] arguments) {
        try {
            PrepareRecipe recipe =
                    RecipeFile.load(Path.of(arguments[0]), List.of()).bind(PrepareRecipe.class);
            PrepareReport report = CorpusPreparation.run(recipe, line -> {
                System.out.println(line);
                System.out.flush();
            });
            System.out.println("documents " + report.documents());
            System.out.println(report.stages().getFirst().quarantined());
        } catch (QuernException e) {
            System.err.println("error: " + e.getMessage());
            System.exit(e.exitCode().code());
        }
    }
}
