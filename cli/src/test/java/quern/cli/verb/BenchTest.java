package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class BenchTest {
    private static final String[] SMALL = {
        "bench", "char", "--batch=1", "--length=8", "--group=1", "--warmup=1", "--parts=1", "--ceiling=1"
    };

    private static String[] small(String... more) {
        List<String> all = new ArrayList<>(List.of(SMALL));
        all.addAll(List.of(more));
        return all.toArray(String[]::new);
    }

    private static JsonNode json(String line) {
        return JsonMapper.shared().readTree(line);
    }

    @Test
    void saysWhereTheTimeGoesAndTheShareOfTheCeiling() {
        Cli run = Cli.run(small("--steps=1"));
        assertEquals(0, run.code(), run.err());
        for (String expected : List.of("tokens/s", "attention", "optimizer", "waiting", "ceiling", "page faults")) {
            assertTrue(run.out().contains(expected), run.out());
        }
    }

    @Test
    void takesAGroupForEachLineItReads() {
        Cli run = Cli.withInput("\n\n", small("--paced"));
        assertEquals(0, run.code(), run.err());
        List<String> lines = run.out().lines().toList();
        assertEquals(4, lines.size(), run.out());
        assertEquals("char", json(lines.getFirst()).path("model").asString());
        assertEquals(2, json(lines.get(2)).path("step").asInt());
        JsonNode result = json(lines.getLast());
        assertTrue(result.path("share_of_ceiling").asDouble() > 0, run.out());
        assertEquals(
                result.path("loss").asDouble(), json(lines.get(2)).path("loss").asDouble());
    }

    @Test
    void standardInputMustAskForAGroup() {
        Cli run = Cli.withInput("", small("--paced"));
        assertEquals(2, run.code(), run.out());
        assertTrue(run.error().contains("standard input"), run.err());
    }

    @Test
    void generationIsTimed() {
        String[] call = {"bench", "generate", "char", "--prompt=3", "--new=2", "--rounds=2", "--warmup=0", "--json"};
        Cli run = Cli.run(call);
        assertEquals(0, run.code(), run.err());
        JsonNode result = run.json();
        assertEquals("char", result.path("model").asString());
        double median = result.path("tokens_per_sec").asDouble();
        assertTrue(result.path("tokens_per_sec_min").asDouble() <= median, run.out());
        assertTrue(median <= result.path("tokens_per_sec_max").asDouble(), run.out());
    }

    @Test
    void badInputIsOneLine() {
        refused("llama60m", "bench", "60m");
        refused("--steps", "bench", "char", "--steps=0");
        refused("--vocab-size", "bench", "char", "--vocab-size=1");
        refused("recipes", "bench", "char", "data.path=text.txt");
        refused("workloads", "bench", "recipe.yaml", "--batch=2");
        refused("--steps", "bench", "char", "--paced", "--steps=2");
        refused("--json", "bench", "char", "--paced", "--json");
        refused("--rounds", "bench", "generate", "char", "--paced", "--rounds=2");
        refused("--json", "bench", "generate", "char", "--paced", "--json");
        refused("--folder", "bench", "checkpoint", "char", "--folder=missing");
    }

    private static void refused(String expected, String... arguments) {
        Cli run = Cli.run(arguments);
        assertEquals(2, run.code(), run.out());
        assertEquals(1, run.err().lines().count(), run.err());
        assertTrue(run.err().contains(expected), run.err());
    }
}
