package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import quern.tensor.Autograd;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/** The forms' hand-written backward halves against autograd through their forward. */
class LinearTest extends ScopedTest {
    private static final int IN = 6;
    private static final int OUT = 5;

    private static DenseLinear dense(String name, boolean bias) {
        return new DenseLinear(
                ToyModel.parameter(1, name + ".weight", 0.5, OUT, IN),
                bias ? ToyModel.parameter(2, name + ".bias", 0.5, OUT) : null);
    }

    private static LowRankLinear lowRank(Linear.Form base) {
        return new LowRankLinear(
                base, ToyModel.parameter(3, "lora_A", 0.5, 2, IN), ToyModel.parameter(4, "lora_B", 0.5, OUT, 2), 1.5);
    }

    private static void assertHalves(Linear.Form form) {
        Tensor x = Tensor.randn(new RandomStream(7), 9, IN).requiresGrad_(true);
        Tensor cotangent = Tensor.randn(new RandomStream(8), 9, OUT);
        List<Tensor> wanted = new ArrayList<>(List.of(x));
        List<Parameter> trainable =
                form.parameters().stream().filter(Parameter::isTrainable).toList();
        trainable.forEach(p -> wanted.add(p.value()));
        List<Tensor> expected =
                Autograd.grad(List.of(form.forward(x, Pass.training(0))), wanted, List.of(cotangent), false, false);
        try (Autograd.Mode mode = Autograd.noGrad()) {
            Gradients.assertClose(
                    expected.get(0).toFloats(),
                    form.backwardInput(x.detach(), cotangent).toFloats(),
                    Gradients.FP32,
                    "x");
            form.backwardWeight(x.detach(), cotangent);
            for (int i = 0; i < trainable.size(); i++) {
                Gradients.assertClose(
                        expected.get(i + 1).toFloats(),
                        trainable.get(i).grad().toFloats(),
                        Gradients.FP32,
                        trainable.get(i).name());
            }
        }
        form.parameters().stream()
                .filter(p -> !p.isTrainable())
                .forEach(p -> assertEquals(false, p.grad().isDefined(), p.name()));
    }

    @Test
    void denseHalvesEqualAutograd() {
        assertHalves(dense("a", false));
        assertHalves(dense("b", true));
    }

    @Test
    void lowRankHalvesEqualAutograd() {
        assertHalves(lowRank(dense("a", true)));
        DenseLinear frozen = dense("b", true);
        frozen.parameters().forEach(p -> p.setTrainable(false));
        assertHalves(lowRank(frozen));
    }

    @Test
    void lowRankAddsTheScaledProduct() {
        DenseLinear base = dense("a", true);
        LowRankLinear form = lowRank(base);
        Tensor x = Tensor.randn(new RandomStream(7), 3, 4, IN);
        Tensor a = form.parameters().get(2).value();
        Tensor b = form.parameters().get(3).value();
        Tensor expected =
                base.forward(x, Pass.evaluation()).add(x.matmul(b.matmul(a).t()).mul(1.5));
        Gradients.assertClose(
                expected.toFloats(), form.forward(x, Pass.evaluation()).toFloats(), Gradients.FP32, "low rank");
        b.detach().zero_();
        assertTrue(
                form.forward(x, Pass.evaluation()).equal(base.forward(x, Pass.evaluation())),
                "with B zero the slot is its base");
    }

    @Test
    void slotsRefuseFormsOfOtherWidths() {
        Linear slot = new Linear("q_proj", dense("a", false));
        DenseLinear wider = new DenseLinear(ToyModel.parameter(1, "w", 1, OUT, IN + 1), null);
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> slot.replace(wider));
        assertEquals("slot 'q_proj' maps 6 to 5, the new form 7 to 5", e.getMessage());
        Parameter a = ToyModel.parameter(3, "lora_A", 0.5, 2, IN + 1);
        Parameter b = ToyModel.parameter(4, "lora_B", 0.5, OUT, 2);
        assertThrows(IllegalArgumentException.class, () -> new LowRankLinear(slot.form(), a, b, 1));
    }
}
