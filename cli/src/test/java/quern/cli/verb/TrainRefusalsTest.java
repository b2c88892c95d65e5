package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.cli.Quern;
import quern.recipe.ExitCode;
import quern.testkit.SafetensorsBytes;

/** What {@code quern train} can't do is said in one line with the documented exit code, before a run folder is made. */
class TrainRefusalsTest {
    private static final String TEXT = "the miller ground her corn at dawn and sang while the stone turned slowly\n";

    @TempDir
    Path folder;

    private record Answer(int code, String err) {}

    @BeforeEach
    void text() throws IOException {
        System.setProperty("quern.home", System.getProperty("quern.root"));
        Files.writeString(folder.resolve("text.txt"), TEXT.repeat(20));
    }

    private String recipe() {
        return """
                output_dir: %s
                model: {family: gpt2, n_layer: 1, n_head: 2, n_embd: 8, n_positions: 16}
                tokenizer: char
                data: {path: %s, validation_share: 0.1, max_length: 16}
                learning_rate: 1e-2
                per_device_train_batch_size: 2
                max_steps: 3
                threads: 2
                """.formatted(folder.resolve("run"), folder.resolve("text.txt"));
    }

    private static Answer quern(String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int code = Quern.execute(
                arguments,
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
        return new Answer(code, err.toString(StandardCharsets.UTF_8));
    }

    private Answer train(String recipe, String... overrides) {
        try {
            Path file = folder.resolve("recipe.yaml");
            Files.writeString(file, recipe);
            List<String> arguments = new ArrayList<>(List.of("train", file.toString(), "--json"));
            arguments.addAll(List.of(overrides));
            return quern(arguments.toArray(String[]::new));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void assertRefused(ExitCode code, Answer answer, String... fragments) {
        assertEquals(code.code(), answer.code(), answer.err());
        List<String> lines = answer.err().lines().toList();
        assertEquals(1, lines.size(), answer.err());
        assertTrue(lines.getFirst().startsWith("quern: error: "), answer.err());
        for (String fragment : fragments) {
            assertTrue(answer.err().contains(fragment), answer.err() + " lacks " + fragment);
        }
        assertFalse(answer.err().contains("Exception"), answer.err());
        assertFalse(Files.exists(folder.resolve("run")), "a run folder was made");
    }

    /** Columns: what is replaced in the recipe, by what, and what the message names. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "max_steps: 3 | max_step: 3 | recipe.yaml:7:1 | max_steps",
                "max_steps: 3 | max_steps: many | recipe.yaml:7 | max_steps",
                "max_steps: 3 | max_steps: 3.5 | recipe.yaml:7 | max_steps",
                "max_steps: 3 | max_steps: -3 | recipe.yaml:7 | max_steps",
                "max_steps: 3 | seed: 1 | max_steps | num_train_epochs",
                "learning_rate: 1e-2 | learning_rate: -1 | recipe.yaml:5 | learning_rate",
                "learning_rate: 1e-2 | learning_rate: .nan | recipe.yaml:5 | learning_rate",
                "n_embd: 8 | n_embd: 9 | n_embd | n_head",
                "n_embd: 8 | n_embed: 8 | recipe.yaml:2 | n_embd",
                "n_embd: 8 | n_embd: wide | recipe.yaml:2 | n_embd",
                "family: gpt2 | family: gtp2 | recipe.yaml:2 | gpt2",
                "family: gpt2, | '' | family: NAME | model",
                "tokenizer: char | tokenizer: chars | recipe.yaml:3 | char",
                "tokenizer: char | '' | tokenizer | missing",
                "tokenizer: char | tokenizer: {path: nowhere} | nowhere | tokenizer",
                "max_length: 16 | max_length: 17 | max_length | 16 positions",
                "max_length: 16 | max_length: 0 | recipe.yaml:4 | max_length",
                "validation_share: 0.1 | validation_share: 1 | recipe.yaml:4 | validation_share",
                "n_positions: 16 | n_positions: 16, vocab_size: 5 | recipe.yaml:2:74: vocab_size | tokenizer's 20",
                "threads: 2 | optim: adamv | recipe.yaml:8 | adamw",
                "threads: 2 | optim_args: {fuse: true} | recipe.yaml:8 | fuse",
                "threads: 2 | warmup_steps: 4 | warmup_steps | 3",
                "threads: 2 | warmup_steps: 1.5 | warmup_steps | 1.5",
                "threads: 2 | lr_scheduler_type: cosin | recipe.yaml:8 | cosine",
                "threads: 2 | precision: fp64 | recipe.yaml:8 | precision",
                "threads: 2 | objective: causal | recipe.yaml:8 | causal_lm",
                "threads: 2 | device: tpu | device | cpu",
                "threads: 2 | 'learning_rate: 2' | recipe.yaml:8 | learning_rate",
                "threads: 2 | metric_for_best_model: eval_accuracy | recipe.yaml:8 | eval_loss",
                "threads: 2 | early_stopping_threshold: 1 | early_stopping_threshold | early_stopping_patience"
            })
    void aRecipeThatIsWrong(String found, String replacement, String place, String name) {
        assertTrue(recipe().contains(found), found);
        assertRefused(ExitCode.BAD_INPUT, train(recipe().replace(found, replacement)), place, name);
    }

    @Test
    void optionsWithoutEffect() {
        String noValidation = recipe().replace("validation_share: 0.1", "validation_share: 0");
        assertRefused(
                ExitCode.BAD_INPUT,
                train(noValidation, "load_best_model_at_end=true"),
                "load_best_model_at_end",
                "validation_share");
        assertRefused(
                ExitCode.BAD_INPUT,
                train(noValidation, "early_stopping_patience=2"),
                "early_stopping_patience",
                "validation_share");
        assertRefused(ExitCode.BAD_INPUT, train(recipe(), "optim=sgd", "adam_beta1=0.8"), "adam_beta1", "sgd");
    }

    @Test
    void aRecipeThatIsNotThere() {
        assertRefused(
                ExitCode.BAD_INPUT, quern("train", folder.resolve("none.yaml").toString()), "none.yaml");
    }

    @Test
    void textThatCannotBeTrainedOn() throws IOException {
        Path text = folder.resolve("text.txt");
        assertRefused(
                ExitCode.BAD_INPUT,
                train(recipe(), "data.path=" + folder.resolve("none.txt")),
                folder.resolve("none.txt").toString());
        Files.writeString(text, "");
        assertRefused(ExitCode.BAD_INPUT, train(recipe()), text.toString());
        Files.writeString(text, "   \n\n");
        assertRefused(ExitCode.BAD_INPUT, train(recipe().replace("tokenizer: char", "tokenizer: bpe")));
        Files.writeString(text, "too short");
        assertRefused(ExitCode.BAD_INPUT, train(recipe()), "max_length");
        byte[] junk = new byte[4000];
        new java.util.Random(1).nextBytes(junk);
        Files.write(text, junk);
        assertRefused(ExitCode.FAILED, train(recipe()), text.toString());
        assertRefused(
                ExitCode.BAD_INPUT,
                train(recipe(), "data.path=" + Files.createDirectory(folder.resolve("empty"))),
                "empty");
    }

    @Test
    void anOutputFolderThatCannotBeMade() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "in the way");
        assertRefused(
                ExitCode.BAD_INPUT,
                train(recipe(), "output_dir=" + file.resolve("run")),
                "output_dir",
                file.toString());
        assertRefused(ExitCode.BAD_INPUT, train(recipe(), "output_dir=/"), "output_dir");
        // A file system that takes no new folders, for anyone.
        assertRefused(ExitCode.FAILED, train(recipe(), "output_dir=/proc/run"), "/proc/run");
    }

    /** A model folder of the given shape, made by the verb itself. */
    private Path trained() throws IOException {
        Answer answer = train(recipe(), "output_dir=" + folder.resolve("base"), "max_steps=1");
        assertEquals(0, answer.code(), answer.err());
        return folder.resolve("base");
    }

    /** The recipe with a model to continue from and that model's tokenizer. */
    private String continuing(Path model) {
        return recipe().replaceFirst("model: .*", "model: {path: %s}".formatted(model))
                .replace("tokenizer: char\n", "");
    }

    @Test
    void modelFoldersThatAreDamaged() throws IOException {
        Path base = trained();
        String more = continuing(base);
        byte[] whole = Files.readAllBytes(base.resolve("model.safetensors"));
        for (SafetensorsBytes.Case hostile : SafetensorsBytes.hostile()) {
            Files.write(base.resolve("model.safetensors"), hostile.bytes());
            Answer answer = train(more);
            // An empty file is a wrong file, any other a corrupt one.
            ExitCode code = hostile.bytes().length == 0 ? ExitCode.BAD_INPUT : ExitCode.FAILED;
            assertRefused(code, answer, "model.safetensors");
        }
        Files.delete(base.resolve("model.safetensors"));
        assertRefused(ExitCode.BAD_INPUT, train(more), base.toString());
        Files.write(base.resolve("model.safetensors"), whole);
        String config = Files.readString(base.resolve("config.json"));
        Files.writeString(base.resolve("config.json"), "{");
        assertRefused(ExitCode.FAILED, train(more), "config.json");
        Files.writeString(base.resolve("config.json"), config.replace("\"gpt2\"", "\"gpt9\""));
        assertRefused(ExitCode.BAD_INPUT, train(more), "gpt9");
        Files.writeString(base.resolve("config.json"), config);
        Files.move(base.resolve("tokenizer.json"), base.resolve("away.json"));
        assertRefused(ExitCode.BAD_INPUT, train(more), "tokenizer");
        Files.move(base.resolve("away.json"), base.resolve("tokenizer.json"));
        assertEquals(0, train(more).code(), "mended, it trains");
    }

    @ParameterizedTest
    @CsvSource({"model.family=gpt2, family", "tokenizer=char, tokenizer", "data.max_length=17, max_length"})
    void settingsThatContradictAFolder(String override, String fragment) throws IOException {
        Path base = trained();
        assertRefused(ExitCode.BAD_INPUT, train(continuing(base), override), fragment);
    }

    @Test
    void debugPrintsWhere() {
        Answer answer = train(recipe(), "max_steps=-1", "--debug");
        assertEquals(ExitCode.BAD_INPUT.code(), answer.code());
        assertTrue(answer.err().contains("\tat quern."), answer.err());
    }

    @Test
    void resumeTakesNoRecipe() {
        Answer answer = quern("train", "recipe.yaml", "--resume", folder.toString());
        assertRefused(ExitCode.BAD_INPUT, answer, "--resume");
    }
}
