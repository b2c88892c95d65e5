package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class BenchOptimTest {
    /** Weights of bench/python/optimizers.py's model. */
    private static final long PARAMETERS = 11_532_288;

    private static final long TENSORS = 2 + 6 * 12 + 2;

    private static JsonNode json(String line) {
        return JsonMapper.shared().readTree(line);
    }

    @Test
    void timesTheChosenOptimizerWithItsSettings() {
        Cli run =
                Cli.run("bench", "optim", "optim=sgd", "optim_args.momentum=0.9", "--steps=3", "--warmup=1", "--json");
        assertEquals(0, run.code(), run.err());
        JsonNode result = json(run.out());
        assertEquals("sgd", result.path("optim").asString());
        assertEquals(PARAMETERS, result.path("parameters").asLong());
        // The momentum, and a count of steps a tensor.
        assertEquals(4 * PARAMETERS + 8 * TENSORS, result.path("state_bytes").asLong());
        double median = result.path("step_ms").asDouble();
        assertTrue(result.path("step_ms_min").asDouble() <= median, run.out());
        assertTrue(median > 0 && median <= result.path("step_ms_max").asDouble(), run.out());
    }

    @Test
    void takesARoundForEachLineItReads() {
        Cli run = Cli.withInput("\n\n", "bench", "optim", "optim=lion", "--paced", "--steps=2", "--warmup=0");
        assertEquals(0, run.code(), run.err());
        List<String> lines = run.out().lines().toList();
        assertEquals(3, lines.size(), run.out());
        assertEquals("lion", json(lines.getFirst()).path("optim").asString());
        for (String round : lines.subList(1, 3)) {
            assertEquals(2, json(round).path("step_ms").size(), round);
            assertTrue(json(round).path("step_ms").get(0).asDouble() > 0, round);
            assertTrue(json(round).path("cpu_ms").asDouble() > 0, round);
        }
    }

    @Test
    void bf16WeightsHaveMasters() {
        Cli run = Cli.run("bench", "optim", "optim=lion", "--precision=bf16", "--steps=1", "--warmup=0", "--json");
        assertEquals(
                8 * PARAMETERS + 8 * TENSORS,
                json(run.out()).path("state_bytes").asLong(),
                run.err());
    }

    @Test
    void badInputIsOneLine() {
        refused("momentun", "optim=sgd", "optim_args.momentun=0.9");
        refused("did you mean", "optim=adamv");
        refused("--steps", "optim=sgd", "--steps=0");
        refused("--precision", "optim=sgd", "--precision=fp8");
    }

    private static void refused(String expected, String... arguments) {
        String[] all = new String[arguments.length + 2];
        all[0] = "bench";
        all[1] = "optim";
        System.arraycopy(arguments, 0, all, 2, arguments.length);
        Cli run = Cli.run(all);
        assertEquals(2, run.code(), run.out());
        assertEquals(1, run.err().lines().count(), run.err());
        assertTrue(run.err().contains(expected), run.err());
    }
}
