package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** The library's settings, devices and the cross-entropy kernel. */
class NativeTest {
    @Test
    void threadsAreSet() {
        int before = Native.threads();
        try {
            Native.setThreads(1);
            assertEquals(1, Native.threads());
        } finally {
            Native.setThreads(before);
        }
    }

    @Test
    void devicesAreParsed() {
        assertEquals(Device.CPU, Device.parse("cpu"));
        assertEquals("cuda:1", Device.cuda(1).toString());
        for (String bad : new String[] {"gpu", "cuda:", "cuda:-1", "CPU", "", "cuda:1234"}) {
            QuernException e = assertThrows(QuernException.class, () -> Device.parse(bad));
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertTrue(e.getMessage().contains("'" + bad + "'"), e.getMessage());
        }
    }

    @Test
    void unknownSafetensorsDtypeNamesFileAndTensor() {
        QuernException e =
                assertThrows(QuernException.class, () -> DType.ofSafetensors("F8_E4M3", "model.safetensors", "wte"));
        assertTrue(e.getMessage().contains("model.safetensors"), e.getMessage());
        assertTrue(e.getMessage().contains("'wte'") && e.getMessage().contains("F8_E4M3"), e.getMessage());
    }

    @Test
    void crossEntropyRowsEqualLogSoftmaxAndItsGradient() {
        try (Scope scope = Scope.open()) {
            int n = 5;
            int v = 7;
            Tensor logits = Tensor.randn(new RandomStream(1), n, v).requiresGrad_(true);
            Tensor targets = Tensor.of(new long[] {0, 6, 3, 3, 1}, n);
            Tensor weights = Tensor.of(new float[] {1, 0, 0.5f, -2, 3}, n);
            Tensor expected = Functional.logSoftmax(logits, -1)
                    .gather(1, targets.unsqueeze(1))
                    .squeeze(1);
            Autograd.backward(
                    List.of(expected.mul(weights).sum().neg()), List.of(Tensor.full(1, DType.FP32, Device.CPU)));
            Tensor work = logits.detach().copy();
            Tensor logprobs = Tensor.zeros(DType.FP32, n);
            CrossEntropy.rows(work, targets, null, logprobs);
            assertTrue(work.equal(logits.detach()), "without weights the logits stay");
            CrossEntropy.rows(work, targets, weights, logprobs);
            // Sums of seven fp32 numbers of size one.
            assertEquals(0, logprobs.sub(expected).abs().max().item(), 1e-6);
            assertEquals(0, work.sub(logits.grad()).abs().max().item(), 1e-6);
        }
    }
}
