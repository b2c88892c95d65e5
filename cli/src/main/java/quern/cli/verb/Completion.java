package quern.cli.verb;

import java.io.PrintWriter;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.Quern;
import quern.cli.Verb;
import quern.recipe.ExitCode;

/** {@code quern completion bash|zsh}: prints a script that completes verbs and options. */
@Command(
        name = "completion",
        description = {
            "Print a shell completion script.",
            "For this shell: source <(quern completion bash). For all: put that line into ~/.bashrc or ~/.zshrc."
        })
public final class Completion implements Verb {
    /** The shells that are served. */
    public enum Shell {
        /** GNU Bash. */
        bash,
        /** Z shell, through its emulation of Bash's completion. */
        zsh
    }

    @Parameters(paramLabel = "SHELL", description = "${COMPLETION-CANDIDATES}")
    private Shell shell;

    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        PrintWriter out = spec.commandLine().getOut();
        if (shell == Shell.zsh) {
            out.println("autoload -U +X compinit && compinit");
            out.println("autoload -U +X bashcompinit && bashcompinit");
        }
        out.println(AutoComplete.bash("quern", Quern.commandLine()));
        out.flush();
        return ExitCode.DONE;
    }
}
