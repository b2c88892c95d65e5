package quern.cli.verb;

import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.models.LanguageModel;
import quern.models.SaveOptions;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** {@code quern export}: a composed model's folder as one of a family that other tools know. */
@Command(
        name = "export",
        description = {
            "Write a model that a recipe composed of parts as one of a family that other tools know.",
            "A composed model is a llama, qwen3, gpt2, gpt_neox, bloom or bert where it has the parts of one; the logits",
            "stay the same."
        })
public final class Export implements Verb {
    @Parameters(paramLabel = "FOLDER", description = ModelArguments.FOLDER)
    private Path folder;

    @Parameters(paramLabel = "OUT", description = "The folder to write, which must be missing or empty.")
    private Path out;

    @Mixin
    private ModelArguments arguments;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    /** What {@code --json} prints. */
    record Result(String folder, String modelType, long parameters) {}

    @Override
    public ExitCode run() {
        if (Files.exists(out) && !isEmptyFolder(out)) {
            throw QuernException.badInput("%s: is there already; name a folder that is missing or empty", out);
        }
        try (ModelArguments.Opened opened =
                arguments.open(folder, Terminal.stderr().out())) {
            try (LanguageModel known = opened.model()
                    .asKnownFamily()
                    .orElseThrow(() -> QuernException.badInput(
                            "%s: the model, of family %s, is none of another family that Quern knows; use the folder as it is",
                            opened.folder().path(),
                            opened.model().spec().family().id()))) {
                known.save(out, SaveOptions.DEFAULT);
                opened.tokenizer().save(out);
                Result result = new Result(out.toString(), known.spec().family().modelType(), known.parameterCount());
                if (json.wanted()) {
                    JsonOption.print(spec.commandLine().getOut(), result);
                } else {
                    spec.commandLine()
                            .getOut()
                            .printf("wrote %s, a %s of %,d parameters%n", out, result.modelType, result.parameters);
                    spec.commandLine().getOut().flush();
                }
            }
        }
        return ExitCode.DONE;
    }

    private static boolean isEmptyFolder(Path path) {
        String[] names = path.toFile().list();
        return names != null && names.length == 0;
    }
}
