package quern.cli.verb;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.data.AlpacaTemplate;
import quern.data.ChatMessages;
import quern.data.ChatTemplate;
import quern.data.ImageFiles;
import quern.models.GenerationConfig;
import quern.models.vqvae.ImageTokenizer;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.train.ImageGenerator;
import quern.train.ModelFolder;
import quern.train.TextGenerator;

/** {@code quern generate}: goes on with prompts. */
@Command(
        name = "generate",
        description = {
            "Let a model go on with a text.",
            "Tokens are drawn with temperature 0.8 among the 50 likeliest, unless the folder's generation_config.json or",
            "you say otherwise. The text appears as it is made."
        })
public final class Generate implements Verb {
    private static final String STDIN = "-";
    private static final int BOLD = 1;

    @Parameters(index = "0", paramLabel = "FOLDER", description = ModelArguments.FOLDER)
    private Path folder;

    @Parameters(index = "1..*", arity = "0..*", paramLabel = "KEY=VALUE", description = GenerationArguments.SETTINGS)
    private List<String> settings = new ArrayList<>();

    @Mixin
    private ModelArguments arguments;

    @Mixin
    private GenerationArguments generation;

    @Option(
            names = "--prompt",
            paramLabel = "TEXT",
            description = "How the text begins; may be given several times. An empty one begins a new document.")
    private List<String> prompts = new ArrayList<>();

    @Option(
            names = "--prompt-file",
            paramLabel = "FILE",
            description = "A file that holds a prompt, or - for standard input; may be given several times.")
    private List<String> promptFiles = new ArrayList<>();

    @Option(
            names = "--suffix",
            paramLabel = "TEXT",
            description = {
                "How the text ends: the model writes what stands between the prompt and this, if it was trained to fill in",
                "the middle (objective: fim)."
            })
    private Optional<String> suffix = Optional.empty();

    @Option(
            names = "--image",
            paramLabel = "FILE",
            description = {
                "Make an image of the prompt instead of a text, by a model that learned from images too (objective:",
                "image_tokens), and write it here as PNG."
            })
    private Optional<Path> image = Optional.empty();

    @Option(
            names = "--image-tokenizer",
            paramLabel = "FOLDER",
            description = "Of --image: the VQ-VAE by whose codes the model was trained; the run's own unless given.")
    private Optional<Path> imageTokenizer = Optional.empty();

    @Option(
            names = "--instruction",
            paramLabel = "TEXT",
            description = {
                "A task for a model that learned from instruction rows or conversations, put into the folder's chat",
                "template, or without one into the prompt of those rows; may be given several times."
            })
    private List<String> instructions = new ArrayList<>();

    @Option(
            names = "--message",
            paramLabel = "TEXT",
            description = "A message of a person, put into the folder's chat template; may be given several times.")
    private List<String> messages = new ArrayList<>();

    @Option(
            names = "--input",
            paramLabel = "TEXT",
            description = "What the instructions are about, where they don't say it themselves.")
    private String input = "";

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    /**
     * What {@code --json} prints of one prompt; of several, a list of these.
     *
     * @param prompt as given
     * @param text what was added
     * @param tokens how many tokens were added, the end-of-text token included
     * @param stopReason {@code eos}, {@code stop_string} or {@code max_new_tokens}
     */
    record Result(String prompt, String text, int tokens, String stopReason, double tokensPerSec) {}

    @Override
    public ExitCode run() {
        List<String> plain = new ArrayList<>(prompts);
        promptFiles.forEach(file -> plain.add(read(file)));
        if (!input.isEmpty() && instructions.isEmpty()) {
            throw QuernException.badInput("--input: belongs to an instruction; give --instruction TEXT too");
        }
        if (suffix.isPresent() && (!instructions.isEmpty() || !messages.isEmpty())) {
            throw QuernException.badInput("--suffix: belongs to a prompt; leave --instruction and --message out");
        }
        if (plain.isEmpty() && suffix.isPresent()) {
            plain.add("");
        }
        if (plain.isEmpty() && instructions.isEmpty() && messages.isEmpty()) {
            throw QuernException.badInput(
                    "no prompt: give --prompt TEXT, --instruction TEXT, --message TEXT, or --prompt-file FILE (- for standard input)");
        }
        Terminal notes = Terminal.stderr();
        if (imageTokenizer.isPresent() && image.isEmpty()) {
            throw QuernException.badInput("--image-tokenizer: belongs to an image; give --image FILE too");
        }
        if (image.isPresent()) {
            return image(plain, notes);
        }
        List<Result> results = new ArrayList<>();
        try (ModelArguments.Opened opened = arguments.open(folder, notes.out())) {
            List<String> asked = new ArrayList<>();
            Optional<ChatTemplate> template = asked(asked, opened);
            GenerationConfig config = generation.config(opened.model(), settings, Map.of());
            if (config.doSample()) {
                notes.out().println("seed " + config.seed());
            }
            results.addAll(generate(opened, config, plain, notes));
            // A turn of a conversation ends by the template's text for that, which ends no text that is none.
            results.addAll(generate(opened, untilTurnEnd(config, template), asked, notes));
        }
        if (json.wanted()) {
            JsonOption.print(spec.commandLine().getOut(), results.size() == 1 ? results.getFirst() : results);
        }
        return ExitCode.DONE;
    }

    /** What {@code --json} prints of an image. */
    record ImageResult(String prompt, String image, int side) {}

    private ExitCode image(List<String> captions, Terminal notes) {
        if (captions.size() != 1 || suffix.isPresent() || !instructions.isEmpty() || !messages.isEmpty()) {
            throw QuernException.badInput("--image: is made of one --prompt or --prompt-file; leave the others out");
        }
        if (generation.given(settings).has("max_new_tokens")) {
            throw QuernException.badInput(
                    "max_new_tokens: has no effect on an image, which has its own number of codes; leave it out");
        }
        ImageResult result;
        try (ModelArguments.Opened opened = arguments.open(folder, notes.out())) {
            Path codes = imageTokenizer
                    .or(opened.folder()::imageTokenizer)
                    .orElseThrow(() -> QuernException.badInput(
                            "%s: no run of objective image_tokens, so it doesn't say which VQ-VAE its codes are of; give --image-tokenizer FOLDER",
                            folder));
            GenerationConfig config = generation.config(opened.model(), settings, Map.of());
            try (ImageTokenizer images =
                    ImageTokenizer.load(ModelFolder.find(codes).path())) {
                ImageGenerator generator = new ImageGenerator(opened.model(), opened.tokenizer(), images, config);
                if (config.doSample()) {
                    notes.out().println("seed " + config.seed());
                }
                Path file = image.orElseThrow();
                ImageFiles.writePng(file, generator.generate(captions.getFirst()), generator.side());
                result = new ImageResult(captions.getFirst(), file.toString(), generator.side());
            }
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json.wanted()) {
            JsonOption.print(out, result);
        } else {
            out.println("%s: %d x %d pixels".formatted(result.image(), result.side(), result.side()));
            out.flush();
        }
        return ExitCode.DONE;
    }

    private List<Result> generate(
            ModelArguments.Opened opened, GenerationConfig config, List<String> prompts, Terminal notes) {
        TextGenerator generator = new TextGenerator(opened.model(), opened.tokenizer(), config);
        return prompts.stream()
                .map(prompt -> generate(generator, prompt, notes))
                .toList();
    }

    private static GenerationConfig untilTurnEnd(GenerationConfig config, Optional<ChatTemplate> template) {
        Optional<String> end = template.flatMap(ChatTemplate::turnEnd);
        if (end.isEmpty()) {
            return config;
        }
        List<String> stops = new ArrayList<>(config.stopStrings());
        stops.add(end.get());
        return config.with(Block.empty(Position.of("generate")).with("stop_strings", stops));
    }

    /** Adds the prompts that messages and instructions become; gives the template where one was used. */
    private Optional<ChatTemplate> asked(List<String> prompts, ModelArguments.Opened opened) {
        if (instructions.isEmpty() && messages.isEmpty()) {
            return Optional.empty();
        }
        Optional<ChatTemplate> template = opened.tokenizer().chatTemplate();
        if (!messages.isEmpty() && template.isEmpty()) {
            throw QuernException.badInput(
                    "--message: %s has no chat template (%s); give --prompt TEXT, or put the model's template there",
                    opened.folder().path(), ChatTemplate.FILE);
        }
        for (String instruction : instructions) {
            prompts.add(template.map(t -> user(t, input.isEmpty() ? instruction : instruction + "\n\n" + input))
                    .orElseGet(() -> AlpacaTemplate.prompt(instruction, input)));
        }
        messages.forEach(message -> prompts.add(user(template.orElseThrow(), message)));
        return template;
    }

    private static String user(ChatTemplate template, String message) {
        return template.render(ChatMessages.of(List.of(ChatMessages.message("user", message))), true);
    }

    private Result generate(TextGenerator generator, String prompt, Terminal notes) {
        PrintWriter out = spec.commandLine().getOut();
        boolean show = !json.wanted();
        if (show) {
            out.print(prompt.isEmpty() ? "" : Terminal.stdout().paint(BOLD, prompt));
            out.flush();
        }
        Predicate<String> listener = piece -> {
            if (show) {
                out.print(piece);
                out.flush();
            }
            return true;
        };
        TextGenerator.Result made = suffix.map(after -> generator.infill(prompt, after, listener))
                .orElseGet(() -> generator.generate(prompt, listener));
        Result result = new Result(
                prompt,
                made.text(),
                made.tokens(),
                made.reason().name().toLowerCase(Locale.ROOT),
                made.tokensPerSecond());
        if (show) {
            out.println(
                    suffix.map(after -> Terminal.stdout().paint(BOLD, after)).orElse(""));
            out.flush();
            notes.out()
                    .println("%d tokens, %.0f tokens/s, ended by %s"
                            .formatted(result.tokens(), result.tokensPerSec(), result.stopReason()));
        }
        return result;
    }

    private static String read(String name) {
        try {
            byte[] bytes;
            if (name.equals(STDIN)) {
                InputStream in = System.in;
                bytes = in.readAllBytes();
            } else {
                Path file = Path.of(name);
                if (!Files.isRegularFile(file)) {
                    throw QuernException.badInput("%s: no such file; expected a text to begin with", file);
                }
                bytes = Files.readAllBytes(file);
            }
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new QuernException(
                    ExitCode.BAD_INPUT, "%s: not UTF-8 text; expected a text to begin with".formatted(name), e);
        } catch (IOException e) {
            throw new QuernException(ExitCode.BAD_INPUT, "%s: can't be read (%s)".formatted(name, e.getMessage()), e);
        }
    }
}
