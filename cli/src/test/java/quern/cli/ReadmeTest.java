package quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.Tokenizer;
import quern.models.Generator;
import quern.models.LanguageModel;
import quern.recipe.Block;
import quern.recipe.RecipeFile;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.testkit.RepositoryFiles;
import quern.train.TrainingRun;

/** The README's commands, run as a newcomer runs them: by the launcher, in a folder of their own. */
class ReadmeTest {
    private static final Pattern SHELL_BLOCK = Pattern.compile("```sh\n(.*?)```", Pattern.DOTALL);
    private static final Path ROOT = RepositoryFiles.root();

    @Test
    void commandsRunWithTrainingShortened(@TempDir Path folder) throws Exception {
        runCommands(folder, " max_steps=20");
    }

    @Test
    @Tag("nightly")
    void commandsRunAsPrinted(@TempDir Path folder) throws Exception {
        runCommands(folder, "");
    }

    /** The README's Java, with its training shortened; the README must hold these very lines. */
    @Test
    void javaExampleRuns(@TempDir Path folder) throws Exception {
        Path text = folder.resolve("mine.txt");
        Files.copy(ROOT.resolve("LICENSE"), text);
        Block recipe = RecipeFile.load(
                ROOT.resolve("recipes/own_text.yaml"),
                List.of("data.path=" + text, "output_dir=" + folder.resolve("java"), "max_steps=3"));
        Path run;
        try (TrainingRun training = TrainingRun.start(recipe, note -> assertFalse(note.isBlank()))) {
            run = training.train().folder();
        }
        Tokenizer tokenizer = Tokenizer.load(run);
        try (LanguageModel model = LanguageModel.load(run, DType.FP32, Device.CPU)) {
            Generator generator = new Generator(model, model.generationConfig(), null);
            long[] prompt =
                    Arrays.stream(tokenizer.encode("You may")).asLongStream().toArray();
            long[] more = generator.generate(List.of(prompt)).getFirst().tokens();
            assertFalse(tokenizer
                    .decode(Arrays.stream(more).mapToInt(Math::toIntExact).toArray())
                    .isEmpty());
        }
        String readme = Files.readString(ROOT.resolve("README.md"));
        for (String line : List.of(
                "RecipeFile.load(Path.of(\"recipes/own_text.yaml\")",
                "try (TrainingRun run = TrainingRun.start(recipe, System.out::println)) {",
                "folder = run.train().folder();",
                "Tokenizer tokenizer = Tokenizer.load(folder);",
                "try (LanguageModel model = LanguageModel.load(folder, DType.FP32, Device.CPU)) {",
                "Generator generator = new Generator(model, model.generationConfig(), null);",
                "long[] prompt = Arrays.stream(tokenizer.encode(\"You may\")).asLongStream().toArray();",
                "generator.generate(List.of(prompt)).getFirst().tokens();")) {
            assertTrue(readme.contains(line), line);
        }
    }

    private static void runCommands(Path folder, String shortening) throws Exception {
        for (String name : new String[] {"quern", "recipes", "goldens", "LICENSE"}) {
            Files.createSymbolicLink(folder.resolve(name), ROOT.resolve(name));
        }
        List<String> commands = commands();
        assertTrue(commands.contains("./quern train"), commands.toString());
        assertTrue(commands.size() >= 9, commands.toString());
        for (String command : commands) {
            boolean trains = command.startsWith("./quern train") && !command.contains("--resume");
            run(folder, trains ? command + shortening : command);
        }
        assertTrue(Files.isRegularFile(folder.resolve("runs/tales/model.safetensors")));
        assertTrue(Files.isRegularFile(folder.resolve("runs/tales/loss.png")));
        assertTrue(Files.isRegularFile(folder.resolve("runs/mine/tokenizer.json")));
    }

    /** The commands of the shell blocks; ./check runs this test, so it is left out. */
    private static List<String> commands() throws IOException {
        List<String> commands = new ArrayList<>();
        Matcher blocks = SHELL_BLOCK.matcher(Files.readString(ROOT.resolve("README.md")));
        while (blocks.find()) {
            blocks.group(1)
                    .lines()
                    .filter(l -> !l.isBlank() && !l.startsWith("./check"))
                    .forEach(commands::add);
        }
        return commands;
    }

    private static void run(Path folder, String command) throws Exception {
        Path log = folder.resolve("log.txt");
        Process process = new ProcessBuilder("bash", "-c", command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        boolean ended = process.waitFor(30, TimeUnit.MINUTES);
        if (!ended) {
            process.destroyForcibly();
        }
        assertTrue(ended, command + " did not end");
        assertEquals(0, process.exitValue(), command + "\n" + Files.readString(log));
    }
}
