package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.cli.Main;
import quern.testkit.ChildJvm;
import quern.testkit.RepositoryFiles;
import tools.jackson.databind.JsonNode;

/** {@code quern compare} and {@code quern sweep} as a person calls them. */
class CompareTest {
    private static final Duration LONG = Duration.ofMinutes(3);

    @TempDir
    Path folder;

    private Path recipe;

    @BeforeEach
    void write() throws IOException {
        System.setProperty("quern.home", RepositoryFiles.root().toString());
        Path text = folder.resolve("text.txt");
        Files.writeString(text, "the miller ground her corn at dawn and sang while the stone turned\n".repeat(30));
        recipe = folder.resolve("tiny.yaml");
        Files.writeString(recipe, """
                model: {family: gpt2, n_layer: 1, n_head: 2, n_embd: 8, n_positions: 16, dropout: 0.1}
                tokenizer: char
                data: {path: %s, validation_share: 0.1, max_length: 16}
                learning_rate: 1e-2
                per_device_train_batch_size: 4
                max_steps: 10
                logging_steps: 1
                eval_steps: 1
                save_steps: 0
                tensorboard: false
                threads: 1
                """.formatted(text));
    }

    private ChildJvm.Builder quern(String... arguments) {
        return ChildJvm.of(Main.class, arguments)
                .jvmArgs("-Xmx512m", "-Dquern.home=" + RepositoryFiles.root())
                .environment("OMP_WAIT_POLICY", "passive");
    }

    private String[] compare(String output, String... more) {
        List<String> all = new ArrayList<>(List.of(
                "compare",
                recipe.toString(),
                "--vary",
                "optim=adamw,sgd",
                "--seeds",
                "2",
                "--output",
                folder.resolve(output).toString()));
        all.addAll(List.of(more));
        return all.toArray(String[]::new);
    }

    private static List<Double> losses(JsonNode comparison) {
        List<Double> losses = new ArrayList<>();
        comparison
                .path("arms")
                .forEach(arm -> arm.path("runs")
                        .forEach(run -> losses.add(run.path("loss").asDouble())));
        return losses;
    }

    /** Killed in its second run and stopped by Ctrl-C in a later one, it ends as if it had been left alone. */
    @Test
    void killedAndInterruptedItGoesOn() {
        String steps = "max_steps=200";
        String evaluations = "eval_steps=100";
        try (ChildJvm child =
                quern(compare("cut", steps, evaluations, "save_steps=100")).start()) {
            child.awaitLine(line -> line.startsWith("sgd, seed 1 (run 2 of 4)"), LONG);
            child.kill();
            assertEquals(137, child.awaitExit(LONG).exitCode());
        }
        try (ChildJvm child =
                quern(compare("cut", steps, evaluations, "save_steps=100")).start()) {
            child.awaitLine(line -> line.startsWith("sgd, seed 2 (run 3 of 4)"), LONG);
            child.interrupt();
            ChildJvm.Result result = child.awaitExit(LONG);
            assertEquals(130, result.exitCode(), result.stderr());
            assertTrue(result.stderr().contains("The same command goes on."), result.stderr());
            assertFalse(result.stderr().contains("adamw, seed 1"), "not trained twice: " + result.stderr());
        }
        Cli rest = Cli.run(compare("cut", steps, evaluations, "save_steps=100", "--json"));
        assertEquals(0, rest.code(), rest.err());
        assertFalse(rest.err().contains("sgd, seed 1"), rest.err());
        Cli whole = Cli.run(compare("whole", steps, evaluations, "save_steps=100", "--json"));
        assertEquals(4, losses(whole.json()).size());
        String run = whole.json()
                .path("arms")
                .get(0)
                .path("runs")
                .get(0)
                .path("folder")
                .asString();
        assertTrue(Files.isDirectory(Path.of(run)), run);
        assertEquals(losses(whole.json()), losses(rest.json()), "to the last bit");
    }

    @Test
    void theResultIsATableSentencesAndAPage() {
        Cli out = Cli.run(compare("out", "--target-loss", "2.9"));
        assertEquals(0, out.code(), out.err());
        assertTrue(out.err().contains("budget: 2 arms, each: 2 seeds of 10 steps; 4 runs, 40 steps in all"), out.err());
        assertTrue(out.out().startsWith("arm "), out.out());
        assertTrue(out.out().contains("adamw is the baseline"), out.out());
        assertTrue(out.out().contains("page  " + folder.resolve("out/comparison.html")), out.out());
        Cli finished = Cli.run(
                "compare",
                folder.resolve("out/adamw/seed-1").toString(),
                folder.resolve("out/sgd/seed-1").toString(),
                "--output",
                folder.resolve("finished").toString(),
                "--json");
        assertEquals(0, finished.code(), finished.err());
        assertEquals("optim=adamw", finished.json().path("baseline").asString());
        assertTrue(Files.exists(folder.resolve("finished/comparison.md")));
    }

    @Test
    void aSweepNamesTheBest() {
        Cli out = Cli.run(
                "sweep",
                recipe.toString(),
                "--over",
                "per_device_train_batch_size=2,4",
                "--scale-rate",
                "linear",
                "--seeds",
                "1",
                "--output",
                folder.resolve("sweep").toString(),
                "--json");
        assertEquals(0, out.code(), out.err());
        assertEquals("LINEAR", out.json().path("rule").asString());
        assertTrue(out.json().path("best").asString().startsWith("batch "), out.out());
        assertEquals(20, out.json().path("rows").get(0).path("steps").asInt());
    }

    @Test
    void badArgumentsAreOneLineEach() {
        assertBad("two arms or more", "compare", recipe.toString());
        assertBad("did you mean 'learning_rate'", "compare", recipe.toString(), "--vary", "learning_rat=1,2");
        assertBad("there twice", "compare", recipe.toString(), "--vary", "optim=adamw,adamw");
        assertBad("--seeds: expected 1", "compare", recipe.toString(), "--vary", "optim=adamw,sgd", "--seeds", "0");
        assertBad("--tune-steps: has no effect without --tune", compare("bad", "--tune-steps", "5"));
        assertBad("--arm takes", compare("bad", "--arm", "big"));
        assertBad("differ in the seed alone", "compare", "--output", folder.toString(), run("a"), run("b"));
        assertBad("finished runs are compared as they are", "compare", run("a"), run("b"), "--vary", "optim=adamw,sgd");
        assertBad("no such file", "compare", folder.resolve("missing.yaml").toString(), "--vary", "optim=adamw,sgd");
        assertBad("--over", "sweep", recipe.toString());
        assertFalse(Files.exists(folder.resolve("bad")));
    }

    /** A run folder of another seed each. */
    private String run(String name) {
        Path made = folder.resolve(name);
        if (!Files.exists(made)) {
            Cli.run(
                    "train",
                    recipe.toString(),
                    "output_dir=" + made,
                    "max_steps=1",
                    "seed=" + (int) name.charAt(0),
                    "--json");
        }
        return made.toString();
    }

    private static void assertBad(String part, String... arguments) {
        Cli result = Cli.run(arguments);
        assertEquals(2, result.code(), result.err());
        assertTrue(result.err().contains(part), result.err());
        assertEquals("", result.out());
        assertEquals(
                1,
                result.err().lines().filter(l -> l.startsWith("quern: error: ")).count(),
                result.err());
    }
}
