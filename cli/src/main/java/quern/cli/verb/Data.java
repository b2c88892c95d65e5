package quern.cli.verb;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;
import quern.cli.Verb;
import quern.recipe.ExitCode;

/** {@code quern data}: work on corpora, by its own verbs. */
@Command(
        name = "data",
        subcommands = {DataPrepare.class, DataDistill.class},
        description = "Work on corpora: prepare reads, cleans and shards one, distill learns a small set.")
public final class Data implements Verb {
    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        spec.commandLine().usage(spec.commandLine().getOut());
        return ExitCode.DONE;
    }
}
