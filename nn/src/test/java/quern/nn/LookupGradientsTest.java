package quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;
import quern.tensor.kernel.Kernels;

/** The embedding's hand-written form against its plain one under autograd. */
@Tag("each-path")
class LookupGradientsTest extends ScopedTest {
    /** Of the largest element: some twenty lookups of a row summed in another order. */
    private static final double FP32 = 1e-6;
    /** The plain form rounds a row to 8 bits after every lookup, the hand-written one once. */
    private static final double BF16 = 4.0 / 128;

    private static final int B = 3;
    private static final int T = 11;
    private static final int V = 13;
    private static final int D = 21;

    private final RandomStream random = new RandomStream(2);
    private float[] lastResult;

    private Parameter table(String name, DType dtype, long rows) {
        return new Parameter(name, Tensor.randn(random, rows, D).to(dtype));
    }

    private Flow flow(boolean batchedPositions) {
        long[] ids = new long[B * T];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = i * 5 % (V - 2);
        }
        Tensor positions = Tensor.arange(T, DType.INT64, Device.CPU);
        return new Flow()
                .put("input_ids", Tensor.of(ids, B, T))
                .put("position_ids", batchedPositions ? positions.unsqueeze(0).expand(B, T) : positions);
    }

    private Map<String, float[]> run(Segment segment, Flow flow, Pass pass, boolean byHand) {
        Network network = new Network(List.of(segment));
        Tensor dy = Tensor.randn(new RandomStream(9), B, T, D)
                .to(segment.parameters().getFirst().value().dtype());
        float[] y;
        try (Tape tape = network.forward(flow, pass)) {
            assertEquals(byHand ? List.of(segment.name()) : List.of(), tape.handWritten());
            y = tape.get("hidden_states").toFloats();
            tape.backward(Map.of("hidden_states", dy));
        }
        lastResult = y;
        return Gradients.take(network);
    }

    private void assertEqualsPlain(TokenEmbedding embedding, Flow flow, double tolerance) {
        Map<String, float[]> expected =
                run(embedding, flow, Pass.training(1).probe(embedding.name() + "/nothing", x -> x), false);
        float[] plain = lastResult;
        Map<String, float[]> actual = run(embedding, flow, Pass.training(1), Kernels.available());
        assertArrayEquals(plain, lastResult);
        assertEquals(expected.keySet(), actual.keySet());
        Gradients.assertClose(expected, actual, tolerance);
        embedding.parameters().forEach(Parameter::close);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"FP32", "BF16"})
    void equalsThePlainForm(DType dtype) {
        double tolerance = dtype == DType.FP32 ? FP32 : BF16;
        List<UnaryOperator<TokenEmbedding>> variants = List.of(
                e -> e,
                e -> e.withFactor(3.5),
                e -> e.withPositionOffset(2),
                e -> e.withPositionPaddingRow(OptionalLong.of(4)));
        for (UnaryOperator<TokenEmbedding> variant : variants) {
            for (boolean batched : new boolean[] {true, false}) {
                assertEqualsPlain(
                        variant.apply(new TokenEmbedding(
                                "embed", table("tokens", dtype, V), table("positions", dtype, T + 2), 0)),
                        flow(batched),
                        tolerance);
            }
        }
        assertEqualsPlain(
                new TokenEmbedding("embed", table("tokens", dtype, V), null, 0, OptionalLong.of(5)),
                flow(false),
                tolerance);
    }

    /** A gradient that is there, such as the tied head's, is added to where it lies, in its own type. */
    @Test
    void addsToTheGradientThatIsThere() {
        Parameter tokens = table("tokens", DType.BF16, V);
        TokenEmbedding embedding = new TokenEmbedding("embed", tokens, null, 0);
        float[] alone = run(embedding, flow(false), Pass.training(1), Kernels.available())
                .get("tokens");
        Tensor gradient = Tensor.full(1, DType.FP32, Device.CPU, V, D);
        tokens.value().setGrad(gradient);
        Map<String, float[]> both = run(embedding, flow(false), Pass.training(1), Kernels.available());
        float[] kept = gradient.toFloats();
        assertEquals(alone.length, both.get("tokens").length);
        for (int i = 0; i < alone.length; i++) {
            assertEquals(1 + alone[i], both.get("tokens")[i], BF16 * Math.max(1, Math.abs(alone[i])), "element " + i);
            if (Kernels.available()) {
                assertEquals(both.get("tokens")[i], kept[i], "in place");
            }
        }
        tokens.close();
    }

    @Test
    void frozenTablesGetNoGradient() {
        Parameter tokens = table("tokens", DType.FP32, V);
        Parameter positions = table("positions", DType.FP32, T);
        tokens.setTrainable(false);
        TokenEmbedding embedding = new TokenEmbedding("embed", tokens, positions, 0);
        assertEquals(
                List.of("positions"),
                List.copyOf(run(embedding, flow(false), Pass.training(1), Kernels.available())
                        .keySet()));
        embedding.parameters().forEach(Parameter::close);
    }

    @Test
    void whatIsMoreThanALookupTakesThePlainForm() {
        Parameter tokens = table("tokens", DType.FP32, V);
        TokenEmbedding dropping = new TokenEmbedding("embed", tokens, null, 0.1);
        assertFalse(dropping.handWritten(flow(false), Pass.training(1)).isPresent(), "dropout");
        assertEquals(
                Kernels.available(),
                dropping.handWritten(flow(false), Pass.evaluation()).isPresent());
        TokenEmbedding embedding = new TokenEmbedding("embed", tokens, null, 0);
        assertFalse(
                embedding
                        .withTypes("token_type_ids", tokens)
                        .handWritten(flow(false), Pass.evaluation())
                        .isPresent(),
                "types");
        Parameter half = new Parameter("half", Tensor.zeros(DType.FP16, V, D));
        assertFalse(
                new TokenEmbedding("embed", half, null, 0)
                        .handWritten(flow(false), Pass.evaluation())
                        .isPresent(),
                "fp16");
        half.close();
        tokens.close();
    }
}
