package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import quern.nn.Pass;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenCheck;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Every golden model: what transformers computed, within the case's own tolerances. */
@Tag("each-path-nightly")
class ModelGoldenTest {
    @TempDir
    Path scratch;

    @TestFactory
    Stream<DynamicTest> everyCaseHolds() {
        List<GoldenCase> cases = GoldenCases.all();
        assertTrue(cases.size() >= 13, "found only " + cases.size());
        return cases.stream()
                .map(c -> DynamicTest.dynamicTest(c.name(), () -> {
                    try (ModelGolden golden = new ModelGolden(c);
                            LanguageModel model = golden.load()) {
                        List<GoldenCheck> checks = golden.check(model, scratch.resolve(c.name()));
                        assertEquals(golden.has("greedy_ids") ? 6 : 4, checks.size());
                        for (GoldenCheck check : checks) {
                            assertTrue(check.ok(), check::toString);
                        }
                    }
                }));
    }

    /** With weights known beforehand a training pass makes the head's gradient in one go: the same gradients. */
    @TestFactory
    Stream<DynamicTest> aTrainingPassGivesTheSameGradients() {
        return GoldenCases.all().stream()
                .map(c -> DynamicTest.dynamicTest(c.name(), () -> {
                    try (ModelGolden golden = new ModelGolden(c);
                            LanguageModel model = golden.load()) {
                        double loss = golden.lossAndGradients(model, Pass.training(1));
                        assertEquals(golden.tensor("loss").item(), loss, c.tolerance("loss") * Math.max(1, loss));
                        golden.gradientErrors(model)
                                .forEach(
                                        (name, error) -> assertTrue(error <= c.tolerance("grads"), name + " " + error));
                    }
                }));
    }

    /** A weight that is off must be seen: the checks can fail. */
    @TestFactory
    Stream<DynamicTest> aChangedWeightFailsTheChecks() {
        return GoldenCases.all().stream()
                .map(c -> DynamicTest.dynamicTest(c.name(), () -> {
                    try (ModelGolden golden = new ModelGolden(c);
                            LanguageModel model = golden.load();
                            Scope scope = Scope.open()) {
                        // A model of convolutions has no linear slots.
                        Parameter matrix = Stream.concat(
                                        model.network().linears().values().stream()
                                                .flatMap(linear -> linear.parameters().stream()),
                                        model.parameters().stream())
                                .findFirst()
                                .orElseThrow();
                        Tensor noise =
                                Tensor.randn(new RandomStream(1), matrix.value().shape());
                        // Not a common factor, which a norm behind the matrix would take out again.
                        matrix.value().detach().mul_(noise.mul(0.2).add(1));
                        Set<String> failed = golden.check(model, scratch.resolve(c.name())).stream()
                                .filter(check -> !check.ok())
                                .map(GoldenCheck::check)
                                .collect(Collectors.toSet());
                        assertTrue(failed.containsAll(Set.of("logits", "loss", "grads")), failed::toString);
                    }
                }));
    }
}
