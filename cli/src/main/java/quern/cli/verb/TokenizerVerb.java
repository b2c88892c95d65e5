package quern.cli.verb;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;
import quern.cli.Verb;
import quern.recipe.ExitCode;

/** {@code quern tokenizer}: trains a tokenizer, encodes by it, shows what it does. */
@Command(
        name = "tokenizer",
        subcommands = {TokenizerTrain.class, TokenizerEncode.class, TokenizerInspect.class},
        description = {
            "Train a tokenizer, encode texts by one, or look at how it cuts them.",
            "A tokenizer is a folder with tokenizer.json and tokenizer_config.json, as Hugging Face has it."
        })
public final class TokenizerVerb implements Verb {
    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        spec.commandLine().usage(spec.commandLine().getOut());
        return ExitCode.DONE;
    }
}
