package quern.cli.verb;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.TerminalBuilder;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.cli.internal.Posix;
import quern.data.ChatTemplate;
import quern.models.GenerationConfig;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.train.TextGenerator;

/** {@code quern chat}: a conversation with a model. */
@Command(
        name = "chat",
        description = {
            "Talk with a model.",
            "On a terminal: arrow keys edit and recall lines, Ctrl-C stops a reply, Ctrl-D leaves, /clear begins anew.",
            "Otherwise every line of standard input is a message. Messages go to the model by the folder's chat template;",
            "without one as 'User: MESSAGE', a line break and 'Assistant:', and the reply ends before the next 'User:'.",
            "The oldest turns are forgotten when the model's context is full."
        })
public final class Chat implements Verb {
    private static final String PROMPT = "> ";
    private static final String CLEAR = "/clear";
    private static final int REPLY_TOKENS = 200;

    @Parameters(index = "0", paramLabel = "FOLDER", description = ModelArguments.FOLDER)
    private Path folder;

    @Parameters(index = "1..*", arity = "0..*", paramLabel = "KEY=VALUE", description = GenerationArguments.SETTINGS)
    private List<String> settings = new ArrayList<>();

    @Mixin
    private ModelArguments arguments;

    @Mixin
    private GenerationArguments generation;

    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        Terminal notes = Terminal.stderr();
        try (ModelArguments.Opened opened = arguments.open(folder, notes.out())) {
            Optional<ChatTemplate> template = opened.tokenizer().chatTemplate();
            GenerationConfig config = config(opened, template);
            if (config.doSample()) {
                notes.out().println("seed " + config.seed());
            }
            TextGenerator generator = new TextGenerator(opened.model(), opened.tokenizer(), config);
            int context = opened.model().config().contextLength();
            Conversation conversation = new Conversation(
                    generator, template, config.seed(), context - Math.min(config.maxNewTokens(), context / 2));
            if (Terminal.stdout().interactive() && Posix.isTerminal(Posix.STDIN)) {
                talk(conversation);
            } else {
                answer(conversation);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return ExitCode.DONE;
    }

    /** The settings with the end of a turn among the stop strings. */
    private GenerationConfig config(ModelArguments.Opened opened, Optional<ChatTemplate> template) {
        GenerationConfig config = generation.config(opened.model(), settings, Map.of("max_new_tokens", REPLY_TOKENS));
        List<String> stops = new ArrayList<>(config.stopStrings());
        Conversation.stop(template).ifPresent(stops::add);
        return config.with(Block.empty(Position.of("chat")).with("stop_strings", stops));
    }

    private void talk(Conversation conversation) throws IOException {
        try (org.jline.terminal.Terminal terminal = TerminalBuilder.builder()
                .system(true)
                .dumb(true)
                .encoding(StandardCharsets.UTF_8)
                .build()) {
            LineReader reader = LineReaderBuilder.builder()
                    .terminal(terminal)
                    .appName("quern")
                    .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                    .build();
            PrintWriter out = terminal.writer();
            out.println("Ctrl-C stops a reply, Ctrl-D leaves, /clear begins anew.");
            for (Optional<String> line = read(reader); line.isPresent(); line = read(reader)) {
                AtomicBoolean stopped = new AtomicBoolean();
                var before = terminal.handle(org.jline.terminal.Terminal.Signal.INT, signal -> stopped.set(true));
                try {
                    turn(conversation, line.get(), out, piece -> !stopped.get());
                } catch (QuernException e) {
                    out.println("quern: error: " + e.getMessage());
                } finally {
                    terminal.handle(org.jline.terminal.Terminal.Signal.INT, before);
                }
                out.flush();
            }
        }
    }

    /** The next line; empty at the end of the input. Ctrl-C at the prompt only gives up the line. */
    private static Optional<String> read(LineReader reader) {
        while (true) {
            try {
                return Optional.of(reader.readLine(PROMPT));
            } catch (UserInterruptException e) {
                continue;
            } catch (EndOfFileException e) {
                return Optional.empty();
            }
        }
    }

    private void answer(Conversation conversation) throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            turn(conversation, line, out, piece -> true);
        }
    }

    private static void turn(Conversation conversation, String line, PrintWriter out, Predicate<String> goOn) {
        String message = line.strip();
        if (message.equals(CLEAR)) {
            conversation.clear();
        } else if (!message.isEmpty()) {
            conversation.reply(message, piece -> {
                out.print(piece);
                out.flush();
                return goOn.test(piece);
            });
            out.println();
            out.flush();
        }
    }
}
