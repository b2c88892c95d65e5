package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;
import quern.tensor.kernel.Kernels;

/** The hand-written norm against its plain form. */
@Tag("each-path")
class FusedNormTest extends ScopedTest {
    /** fp32 sums of up to 16,000 terms in another order; the worst measured is 5e-6 of the largest element of a tensor. */
    private static final double FP32 = 2e-5;

    /** One rounding to 8 bits of what is written in bf16; the plain form in fp32 is the measure. */
    private static final double BF16 = 1.0 / 256;

    private final RandomStream random = new RandomStream(4);

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
        assumeTrue(FusedSetting.current() != FusedSetting.NEVER, "hand-written forms are off");
    }

    private Norm norm(boolean centred, boolean biased, DType dtype, int width) {
        Parameter weight = new Parameter(
                "weight", Tensor.randn(random, width).mul(0.3).add(1).to(dtype));
        Parameter bias =
                biased ? new Parameter("bias", Tensor.randn(random, width).to(dtype)) : null;
        return centred ? new Norm.LayerNorm(weight, bias, 1e-5) : new Norm.RmsNorm(weight, 1e-5);
    }

    private static Map<String, float[]> run(Segment segment, Tensor x, Tensor dy, boolean byHand) {
        Pass pass = byHand ? Pass.training(1) : Pass.training(1).probe(segment.name() + "/nothing", v -> v);
        Network network = new Network(List.of(segment));
        Map<String, float[]> result = new LinkedHashMap<>();
        Tensor in = x.copy().requiresGrad_(true);
        try (Tape tape = network.forward(new Flow().put("hidden_states", in), pass)) {
            assertEquals(byHand ? List.of(segment.name()) : List.of(), tape.handWritten());
            result.put("y", tape.get("hidden_states").toFloats());
            tape.backward(Map.of("hidden_states", dy));
            result.put("dx", tape.gradient("hidden_states").toFloats());
        }
        result.putAll(Gradients.take(network));
        return result;
    }

    @ParameterizedTest
    @ValueSource(ints = {128, 100, 24, 3})
    void equalsThePlainForm(int width) {
        int rows = (int) Math.ceilDiv(FusedBlock.SMALLEST, width);
        for (DType dtype : new DType[] {DType.FP32, DType.BF16}) {
            for (int variant = 0; variant < 3; variant++) {
                Norm norm = norm(variant > 0, variant > 1, dtype, width);
                Tensor x = Tensor.randn(random, rows, width).add(0.5).to(dtype);
                Tensor dy = Tensor.randn(random, rows, width).to(dtype);
                Map<String, float[]> actual = run(new FinalNorm("norm", norm), x, dy, true);
                Norm wide = inFp32(norm);
                Map<String, float[]> expected =
                        run(new FinalNorm("norm", wide), x.to(DType.FP32), dy.to(DType.FP32), false);
                Gradients.assertClose(expected, actual, dtype == DType.FP32 ? FP32 : BF16);
                Gradients.assertSameBits(actual, run(new FinalNorm("norm", norm), x, dy, true));
                norm.parameters().forEach(Parameter::close);
                wide.parameters().forEach(Parameter::close);
            }
        }
    }

    private static Norm inFp32(Norm norm) {
        List<Parameter> p = norm.parameters().stream()
                .map(q -> new Parameter(
                        q.name(), q.value().detach().to(DType.FP32).copy()))
                .toList();
        Parameter bias = p.size() == 1 ? null : p.getLast();
        return norm instanceof Norm.LayerNorm
                ? new Norm.LayerNorm(p.getFirst(), bias, BlockParts.eps(norm))
                : new Norm.RmsNorm(p.getFirst(), BlockParts.eps(norm));
    }

    @Test
    void gradientsOfTwoPassesAddUp() {
        Norm norm = norm(true, true, DType.FP32, 64);
        Network network = new Network(List.of(new FinalNorm("norm", norm)));
        Tensor x = Tensor.randn(random, 2, 200, 64);
        Tensor dy = Tensor.randn(random, 2, 200, 64);
        float[] once = run(network.segments().getFirst(), x, dy, true).get("weight");
        for (int i = 0; i < 2; i++) {
            try (Tape tape = network.forward(new Flow().put("hidden_states", x), Pass.training(1))) {
                tape.backward(Map.of("hidden_states", dy));
            }
        }
        float[] twice = Gradients.take(network).get("weight");
        for (int i = 0; i < once.length; i++) {
            assertEquals(2 * once[i], twice[i], "element " + i);
        }
        norm.parameters().forEach(Parameter::close);
    }

    @Test
    void frozenWeightsGetNoGradient() {
        Norm norm = norm(true, true, DType.FP32, 64);
        norm.parameters().getFirst().setTrainable(false);
        Segment segment = new FinalNorm("norm", norm);
        Tensor x = Tensor.randn(random, 2, 200, 64);
        assertFalse(run(segment, x, x, true).containsKey("weight"));
        norm.parameters().forEach(Parameter::close);
    }

    @Test
    void whatItCannotDoTakesThePlainForm() {
        Norm norm = norm(true, true, DType.FP32, 64);
        Flow flow = new Flow().put("hidden_states", Tensor.randn(random, 2, 200, 64));
        assertFalse(
                new FinalNorm("norm", norm, 0.1)
                        .handWritten(flow, Pass.training(1))
                        .isPresent(),
                "dropout");
        assertFalse(FusedNorm.of(new Norm.LayerNorm(null, null, 1e-5), flow).isPresent(), "nothing learned");
        norm.parameters().forEach(Parameter::close);
    }
}
