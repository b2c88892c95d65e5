package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import quern.nn.GradientCheckpointing;
import quern.nn.Pass;
import quern.nn.TransformerBlock;
import quern.recipe.GoldenCase;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Causal models in bf16, and with blocks computed twice. */
class FamilyPrecisionTest {
    /** bf16 has 8 bits; their errors grow through blocks of large random weights to some percent of the loss. */
    private static final double BF16_LOSS = 0.1;

    private static Stream<GoldenCase> causalCases() {
        return GoldenCases.all().stream().filter(c -> ModelSpec.read(c.folder()).task() == Task.CAUSAL_LM);
    }

    @TestFactory
    Stream<DynamicTest> bf16IsNearAndItsGradientsAreFinite() {
        return causalCases()
                .map(c -> DynamicTest.dynamicTest(c.name(), () -> {
                    try (ModelGolden golden = new ModelGolden(c);
                            LanguageModel model = LanguageModel.load(c.folder(), DType.BF16, Device.CPU);
                            Scope scope = Scope.open()) {
                        double expected = golden.tensor("loss").item();
                        double loss = golden.lossAndGradients(model, Pass.training(1));
                        assertEquals(expected, loss, BF16_LOSS * expected);
                        for (Parameter p : model.parameters()) {
                            assertTrue(p.grad().isDefined(), p.name());
                            assertEquals(
                                    1, p.grad().isFinite().to(DType.FP32).mean().item(), p.name());
                        }
                    }
                }));
    }

    /** Gradient checkpointing changes no bit, also where blocks hand on more than their stream. */
    @TestFactory
    Stream<DynamicTest> recomputedBlocksGiveTheSameBits() {
        return causalCases()
                .map(c -> DynamicTest.dynamicTest(c.name(), () -> {
                    try (ModelGolden golden = new ModelGolden(c);
                            LanguageModel plain = golden.load();
                            LanguageModel recomputed = golden.load();
                            Scope scope = Scope.open()) {
                        recomputed.network().addHook(new GradientCheckpointing(s -> s instanceof TransformerBlock));
                        assertEquals(
                                golden.lossAndGradients(plain, Pass.training(1)),
                                golden.lossAndGradients(recomputed, Pass.training(1)));
                        for (int i = 0; i < plain.parameters().size(); i++) {
                            Tensor a = plain.parameters().get(i).grad();
                            Tensor b = recomputed.parameters().get(i).grad();
                            assertTrue(a.equal(b), plain.parameters().get(i).name());
                        }
                    }
                }));
    }
}
