package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.junit.jupiter.api.io.TempDir;
import quern.nn.Pass;
import quern.nn.Segment;
import quern.nn.TransformerBlock;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.tensor.Parameter;
import quern.tensor.kernel.Kernels;

/**
 * Every golden causal language model with all the hand-written blocks that it can have, within the tolerances it has with the
 * plain ones. Says the worst error a family.
 */
@Tag("each-path")
@EnabledIfEnvironmentVariable(named = "QUERN_FUSED_BLOCKS", matches = "always")
class FusedGoldenTest {
    /** Families whose goldens have at least one block of GPT-2's or Llama's form. */
    private static final Set<String> FUSED = Set.of("gpt2", "gpt_neo", "llama", "opt", "phi3", "qwen2");

    private static final Map<String, Map<String, Double>> WORST = new TreeMap<>();

    @TempDir
    Path scratch;

    @AfterAll
    static void say() {
        WORST.forEach((family, errors) -> System.out.printf("hand-written %s: worst %s%n", family, errors));
        if (Kernels.available()) {
            assertEquals(FUSED, WORST.keySet(), "families with a hand-written block");
        }
    }

    @TestFactory
    Stream<DynamicTest> everyCaseHoldsByHand() {
        return GoldenCases.all().stream()
                .filter(c -> c.json().path("architecture").asString("").matches(".*(ForCausalLM|LMHeadModel)"))
                .map(c -> DynamicTest.dynamicTest(c.name(), () -> check(c)));
    }

    private void check(GoldenCase c) {
        try (ModelGolden golden = new ModelGolden(c).withoutPaddingMask();
                LanguageModel model = golden.load()) {
            Set<String> byHand = new LinkedHashSet<>(golden.handWritten(model, Pass.evaluation()));
            List<String> blocks = model.network().visits().stream()
                    .filter(TransformerBlock.class::isInstance)
                    .map(Segment::name)
                    .toList();
            byHand.retainAll(blocks);
            if (byHand.isEmpty()) {
                return;
            }
            Map<String, Double> errors = new HashMap<>();
            for (GoldenCheck check : golden.check(model, scratch.resolve(c.name()))) {
                assertTrue(check.ok(), check::toString);
                errors.put(check.check(), check.error());
            }
            model.parameters().forEach(Parameter::clearGrad);
            golden.lossAndGradients(model, Pass.training(1));
            golden.gradientErrors(model)
                    .forEach((name, error) -> assertTrue(error <= c.tolerance("grads"), name + " " + error));
            System.out.println(c.name() + ": " + byHand.size() + " of " + blocks.size() + " blocks by hand");
            String family = model.spec().family().id();
            errors.forEach((check, error) ->
                    WORST.computeIfAbsent(family, f -> new TreeMap<>()).merge(check, error, Math::max));
        }
    }
}
