package quern.cli.verb;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.data.DataConfig;
import quern.data.Documents;
import quern.data.TextUnit;
import quern.data.Tokenizer;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import tools.jackson.databind.SequenceWriter;

/** {@code quern tokenizer encode}: the ids of texts. */
@Command(
        name = "encode",
        mixinStandardHelpOptions = true,
        description = {
            "Print the ids of texts, a line each: of every --text, then of the files' documents (a line of a .txt file each).",
            "No special tokens are added; those that a text spells keep their ids."
        })
public final class TokenizerEncode implements Verb {
    /** Characters encoded at a time. */
    private static final int BATCH = 1 << 20;

    @Parameters(index = "0", paramLabel = "DIR", description = "A folder with a tokenizer.json, or that file.")
    private Path folder;

    @Parameters(index = "1..*", arity = "0..*", paramLabel = "FILE", description = "Files to encode.")
    private List<Path> files = new ArrayList<>();

    @Option(names = "--text", paramLabel = "TEXT", description = "A text to encode; may be given several times.")
    private List<String> texts = new ArrayList<>();

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    /** What {@code --json} prints of a text, in a list. */
    record Encoded(String text, int[] ids) {}

    @Override
    public ExitCode run() {
        if (texts.isEmpty() && files.isEmpty()) {
            throw QuernException.badInput("no text: give --text TEXT or files");
        }
        Tokenizer tokenizer = Tokenizer.load(folder);
        PrintWriter out = spec.commandLine().getOut();
        if (json.wanted()) {
            try (SequenceWriter list = JsonOption.list(out)) {
                encode(tokenizer, list::write);
            }
            out.println();
        } else {
            encode(
                    tokenizer,
                    one -> out.println(
                            Arrays.stream(one.ids()).mapToObj(Integer::toString).collect(Collectors.joining(" "))));
        }
        out.flush();
        return ExitCode.DONE;
    }

    private void encode(Tokenizer tokenizer, Consumer<Encoded> print) {
        encode(tokenizer, texts, print);
        if (!files.isEmpty()) {
            encodeFiles(tokenizer, print);
        }
    }

    private void encodeFiles(Tokenizer tokenizer, Consumer<Encoded> print) {
        DataConfig data = DataConfig.files(files.stream().map(Path::toString).toArray(String[]::new))
                .withTextUnit(TextUnit.LINE);
        try (Documents.Cursor cursor = Documents.open(data).iterator()) {
            List<String> batch = new ArrayList<>();
            int size = 0;
            while (cursor.hasNext()) {
                String text = cursor.next().text();
                batch.add(text);
                size += text.length();
                if (size > BATCH) {
                    encode(tokenizer, batch, print);
                    batch = new ArrayList<>();
                    size = 0;
                }
            }
            encode(tokenizer, batch, print);
            long replaced = cursor.report().replacedSequences();
            if (replaced > 0) {
                Terminal.stderr().out().println("%,d invalid UTF-8 sequences became U+FFFD".formatted(replaced));
            }
        }
    }

    private static void encode(Tokenizer tokenizer, List<String> batch, Consumer<Encoded> print) {
        List<int[]> ids = tokenizer.encodeAll(batch);
        for (int i = 0; i < ids.size(); i++) {
            print.accept(new Encoded(batch.get(i), ids.get(i)));
        }
    }
}
