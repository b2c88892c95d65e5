package quern.optim.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.recipe.GoldenReplay;
import quern.recipe.Goldens;
import quern.recipe.QuernException;
import quern.tensor.SafetensorsFile;
import quern.tensor.SafetensorsWriter;

class GoldenReplayTest {
    @TempDir
    private Path folder;

    private GoldenCase golden(String json) throws IOException {
        Files.writeString(folder.resolve("case.json"), json.replace('\'', '"'));
        return GoldenCase.read(folder);
    }

    private void tensors(Map<String, Float> values) {
        List<SafetensorsFile.Entry> entries = new ArrayList<>();
        values.forEach((name, value) -> entries.add(
                new SafetensorsFile.Entry(name, "F32", new long[] {1}, MemorySegment.ofArray(new float[] {value}))));
        SafetensorsWriter.write(folder.resolve("golden.safetensors"), entries, Map.of());
    }

    private static GoldenCheck only(GoldenReplay replay, GoldenCase golden) {
        List<GoldenCheck> checks = replay.replay(golden);
        assertEquals(1, checks.size());
        return checks.getFirst();
    }

    private static void assertRefused(String expected, GoldenReplay replay, GoldenCase golden) {
        QuernException e = assertThrows(QuernException.class, () -> replay.replay(golden));
        assertTrue(e.getMessage().contains(expected), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    private static final String SGD =
            "{'kind':'optimizer','name':'a','optim':'sgd','config':{'learning_rate':0.5},'steps':1,'tolerance':1e-6}";

    @Test
    void reportsTheErrorOfAParameter() throws IOException {
        tensors(Map.of("param.0", 3f, "grad.0.0", 2f, "expected.0.0", 2f));
        assertTrue(only(new OptimizerReplay(), golden(SGD)).ok());
        tensors(Map.of("param.0", 3f, "grad.0.0", 2f, "expected.0.0", 2.5f));
        GoldenCheck wrong = only(new OptimizerReplay(), golden(SGD));
        assertFalse(wrong.ok());
        assertEquals(0.5 / 2.5, wrong.error(), 1e-12);
    }

    @Test
    void aParameterThatIsNotANumberFails() throws IOException {
        tensors(Map.of("param.0", 3f, "grad.0.0", Float.NaN, "expected.0.0", 2f));
        assertFalse(only(new OptimizerReplay(), golden(SGD)).ok());
    }

    @Test
    void aParameterWithoutGradientMustStandStill() throws IOException {
        tensors(Map.of("param.0", 3f, "param.1", 7f, "grad.0.0", 2f, "expected.0.0", 2f, "expected.0.1", 7f));
        assertTrue(only(new OptimizerReplay(), golden(SGD)).ok());
    }

    @Test
    void brokenOptimizerCasesAreErrors() throws IOException {
        tensors(Map.of("param.0", 3f, "grad.0.0", 2f));
        OptimizerReplay replay = new OptimizerReplay();
        assertRefused("expected.0.0", replay, golden(SGD));
        assertRefused("did you mean 'sgd'", replay, golden(SGD.replace("'sgd'", "'sdg'")));
        assertRefused("'adam_beta1'", replay, golden(SGD.replace("0.5}", "0.5,'adam_beta1':0.8}")));
        assertRefused("momentun", replay, golden(SGD.replace("0.5}", "0.5,'optim_args':{'momentun':0.8}}")));
        assertRefused("'learning_rate'", replay, golden(SGD.replace("0.5}", "'much'}")));
        assertRefused("'steps'", replay, golden(SGD.replace("'steps':1", "'steps':-1")));
        assertRefused(
                "'tolerance'",
                replay,
                golden(SGD.replace(",'tolerance':1e-6", ",'steps':0").replace("'steps':1,", "")));
        tensors(Map.of("grad.0.0", 2f));
        assertRefused("param.0", replay, golden(SGD));
        Files.delete(folder.resolve("golden.safetensors"));
        assertRefused("golden.safetensors: no such file", replay, golden(SGD));
    }

    private static final String LINEAR =
            "{'kind':'schedule','name':'a','lr_scheduler_type':'linear','learning_rate':1,'warmup_steps':0,'max_steps':4,'lr_scheduler_kwargs':{},'expected':[1,0.75,0.5,0.25],'tolerance':1e-9}";

    @Test
    void reportsTheWorstRate() throws IOException {
        assertTrue(only(new ScheduleReplay(), golden(LINEAR)).ok());
        GoldenCheck wrong = only(new ScheduleReplay(), golden(LINEAR.replace("0.25]", "0.375]")));
        assertFalse(wrong.ok());
        assertEquals(0.125, wrong.error());
    }

    @Test
    void brokenScheduleCasesAreErrors() throws IOException {
        ScheduleReplay replay = new ScheduleReplay();
        assertRefused("did you mean 'linear'", replay, golden(LINEAR.replace("'linear'", "'linaer'")));
        assertRefused("num_cycles", replay, golden(LINEAR.replace("{},", "{'num_cycles':2},")));
        assertRefused("'expected'", replay, golden(LINEAR.replace("[1,0.75,0.5,0.25]", "[]")));
        assertRefused("'expected'", replay, golden(LINEAR.replace("0.75", "'x'")));
        assertRefused("'max_steps'", replay, golden(LINEAR.replace("'max_steps':4,", "")));
        assertRefused("warmup_steps", replay, golden(LINEAR.replace("'warmup_steps':0", "'warmup_steps':5")));
    }

    @Test
    void bothKindsAreReplayedByName() throws IOException {
        tensors(Map.of("param.0", 3f, "grad.0.0", 2f, "expected.0.0", 2f));
        golden(SGD);
        var results = Goldens.replayAll(Goldens.find(List.of(folder)));
        assertEquals(List.of("optimizer"), results.stream().map(r -> r.kind()).toList());
        assertTrue(results.getFirst().ok());
        golden(LINEAR);
        assertTrue(Goldens.replayAll(Goldens.find(List.of(folder))).getFirst().ok());
    }
}
