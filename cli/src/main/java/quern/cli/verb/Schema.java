package quern.cli.verb;

import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;
import quern.cli.Verb;
import quern.recipe.ExitCode;
import quern.recipe.RecipeSchema;

/** {@code quern schema}: the JSON schema of recipes, for editors that complete and check YAML. */
@Command(
        name = "schema",
        description = {
            "Print the JSON schema of recipes.",
            "Editors complete and check recipes with it: quern schema > quern.schema.json, and in a recipe's first line",
            "# yaml-language-server: $$schema=quern.schema.json"
        })
public final class Schema implements Verb {
    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        PrintWriter out = spec.commandLine().getOut();
        out.println(RecipeSchema.json());
        out.flush();
        return ExitCode.DONE;
    }
}
