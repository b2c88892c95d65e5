package quern.cli.verb;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import quern.cli.Quern;
import quern.data.CharacterTrainer;
import quern.data.Tokenizer;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.models.SaveOptions;
import quern.models.SpecialTokens;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.RecipeFile;
import quern.tensor.DType;
import quern.tensor.Device;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A command run in this process.
 *
 * @param code the exit code
 * @param out what it wrote to standard output
 * @param err what it wrote to standard error
 */
record Cli(int code, String out, String err) {
    /** The context of {@link #model}. */
    static final int CONTEXT = 32;

    /** A text that {@link #model}'s tokenizer knows every character of. */
    static final String TEXT = "User: Assistant: once upon a time there was a fox and it ran; ".repeat(4);

    static Cli run(String... arguments) {
        return withInput("", arguments);
    }

    /** Runs with a text at standard input. Verbs write remarks to the process's own standard error. */
    static Cli withInput(String input, String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        InputStream in = System.in;
        PrintStream standardError = System.err;
        PrintStream errors = new PrintStream(err, true, StandardCharsets.UTF_8);
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        System.setErr(errors);
        try {
            int code = Quern.execute(arguments, new PrintStream(out, true, StandardCharsets.UTF_8), errors);
            return new Cli(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
        } finally {
            System.setIn(in);
            System.setErr(standardError);
        }
    }

    JsonNode json() {
        return JsonMapper.shared().readTree(out);
    }

    /** The last line of standard error. */
    String error() {
        return err.strip().lines().reduce((a, b) -> b).orElse("");
    }

    /** A small model with new weights and a character tokenizer, in a folder. */
    static Path model(Path folder) {
        return model(
                folder,
                String.format(
                        Locale.ROOT, "{family: gpt2, n_layer: 1, n_head: 2, n_embd: 16, n_positions: %d}", CONTEXT));
    }

    /** As above, of a recipe's {@code model} block. */
    static Path model(Path folder, String settings) {
        Tokenizer tokenizer = Tokenizer.of(new CharacterTrainer()
                .train(List.of(TEXT + "\n"), Block.empty(Position.of("test")).bind(CharacterTrainer.Config.class)));
        Block model = RecipeFile.load("test", settings, List.of());
        ModelSpec spec = ModelSpec.fromRecipe(
                model,
                tokenizer.vocabularySize(),
                new SpecialTokens(OptionalInt.empty(), OptionalInt.empty(), OptionalInt.empty()));
        try (LanguageModel made = LanguageModel.create(spec, DType.FP32, Device.CPU, 7)) {
            made.save(folder, SaveOptions.DEFAULT);
        }
        tokenizer.save(folder);
        return folder;
    }
}
