package quern.cli.verb;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.data.Tokenizer;
import quern.recipe.ExitCode;

/** {@code quern tokenizer inspect}: what a tokenizer is, and how it cuts texts. */
@Command(
        name = "inspect",
        mixinStandardHelpOptions = true,
        description = {
            "Show what a tokenizer is and how it cuts each --text: its tokens in turns of colour, as the vocabulary spells",
            "them, special ones in red; below them the ids."
        })
public final class TokenizerInspect implements Verb {
    private static final int[] COLOURS = {36, 33, 32, 35};
    private static final int RED = 31;

    @Parameters(index = "0", paramLabel = "DIR", description = "A folder with a tokenizer.json, or that file.")
    private Path folder;

    @Option(names = "--text", paramLabel = "TEXT", description = "A text to cut; may be given several times.")
    private List<String> texts = new ArrayList<>();

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    /** A token of a text. */
    record Token(int id, String token) {}

    /**
     * How a text is cut.
     *
     * @param bytesPerToken of its UTF-8 form
     */
    record Cut(String text, List<Token> tokens, double bytesPerToken) {}

    /**
     * What {@code --json} prints.
     *
     * @param model {@code BPE}, {@code WordPiece}, {@code Unigram} or {@code WordLevel}
     * @param vocabSize one more than the largest id
     * @param needsLibrary what of the file makes the native library encode; empty where Quern's own encoder does
     */
    record Result(String model, int vocabSize, String needsLibrary, List<Token> specialTokens, List<Cut> texts) {}

    @Override
    public ExitCode run() {
        Tokenizer tokenizer = Tokenizer.load(folder);
        List<Token> special = IntStream.range(0, tokenizer.vocabularySize())
                .filter(tokenizer::isSpecial)
                .mapToObj(id -> new Token(id, tokenizer.token(id)))
                .toList();
        List<Cut> cuts = texts.stream().map(text -> cut(tokenizer, text)).toList();
        Result result =
                new Result(tokenizer.modelType(), tokenizer.vocabularySize(), tokenizer.needsLibrary(), special, cuts);
        PrintWriter out = spec.commandLine().getOut();
        if (json.wanted()) {
            JsonOption.print(out, result);
            return ExitCode.DONE;
        }
        Terminal terminal = Terminal.stdout();
        out.println(String.format(Locale.ROOT, "%s, %,d tokens", result.model(), result.vocabSize()));
        out.println(
                result.needsLibrary().isEmpty()
                        ? "encoded by Quern"
                        : "encoded by the native tokenizers library: the file has " + result.needsLibrary());
        out.println("special:" + (special.isEmpty() ? " none" : ""));
        special.forEach(token -> out.println("  " + token.id() + " " + terminal.paint(RED, visible(token.token()))));
        for (Cut cut : cuts) {
            print(out, terminal, tokenizer, cut);
        }
        out.flush();
        return ExitCode.DONE;
    }

    private static Cut cut(Tokenizer tokenizer, String text) {
        List<Token> tokens = IntStream.of(tokenizer.encode(text))
                .mapToObj(id -> new Token(id, tokenizer.token(id)))
                .toList();
        int bytes = text.getBytes(StandardCharsets.UTF_8).length;
        return new Cut(text, tokens, tokens.isEmpty() ? 0 : bytes / (double) tokens.size());
    }

    private static void print(PrintWriter out, Terminal terminal, Tokenizer tokenizer, Cut cut) {
        StringBuilder pieces = new StringBuilder();
        StringBuilder ids = new StringBuilder();
        for (int i = 0; i < cut.tokens().size(); i++) {
            Token token = cut.tokens().get(i);
            int colour = tokenizer.isSpecial(token.id()) ? RED : COLOURS[i % COLOURS.length];
            // Without colour a bar tells where a token ends.
            pieces.append(i > 0 && !terminal.colour() ? "|" : "")
                    .append(terminal.paint(colour, visible(token.token())));
            ids.append(i > 0 ? " " : "").append(terminal.paint(colour, Integer.toString(token.id())));
        }
        out.println();
        out.println(pieces);
        out.println(ids);
        out.println(String.format(
                Locale.ROOT, "%d tokens, %.2f bytes a token", cut.tokens().size(), cut.bytesPerToken()));
    }

    private static String visible(String token) {
        StringBuilder visible = new StringBuilder();
        token.codePoints().forEach(c -> {
            if (Character.isISOControl(c)) {
                visible.append(String.format(Locale.ROOT, "\\u%04x", c));
            } else {
                visible.appendCodePoint(c);
            }
        });
        return visible.toString();
    }
}
