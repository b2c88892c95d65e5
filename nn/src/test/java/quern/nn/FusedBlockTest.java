package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;
import quern.tensor.kernel.KernelThreads;
import quern.tensor.kernel.Kernels;

/** The hand-written decoder block against its plain form. */
@Tag("each-path")
class FusedBlockTest extends ScopedTest {
    /**
     * fp32 sums of some hundred terms in another order; the worst measured is 1.4e-6 of the largest element of a tensor.
     */
    private static final double FP32 = 5e-6;

    /** The plain form rounds every intermediate to 8 bits, the hand-written one those that it writes out. */
    private static final double BF16 = 4.0 / 128;

    /** Sizes that fill neither vectors nor strips, and such as fill both. */
    private enum Kind {
        GPT(24, 3, 3, 8, 100, Activation.GELU_TANH),
        GPT_EVEN(64, 2, 2, 32, 256, Activation.RELU),
        GPT_WIDER_THAN_ITS_PARTS(100, 2, 2, 8, 32, Activation.GELU_TANH),
        LLAMA(40, 4, 2, 10, 48, Activation.SILU),
        LLAMA_ODD(20, 4, 2, 6, 55, Activation.SILU),
        LLAMA_ONE_KEY_HEAD(64, 4, 1, 16, 176, Activation.GELU_TANH);

        final int width;
        final int heads;
        final int keyValueHeads;
        final int headWidth;
        final int inner;
        final Activation activation;

        Kind(int width, int heads, int keyValueHeads, int headWidth, int inner, Activation activation) {
            this.activation = activation;
            this.width = width;
            this.heads = heads;
            this.keyValueHeads = keyValueHeads;
            this.headWidth = headWidth;
            this.inner = inner;
        }

        boolean isLlama() {
            return ordinal() >= LLAMA.ordinal();
        }
    }

    private final List<Parameter> parameters = new ArrayList<>();

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
    }

    private RandomStream random = new RandomStream(5);

    private Parameter parameter(String name, double shift, double std, DType dtype, long... shape) {
        Parameter p = new Parameter(
                name, Tensor.randn(random, shape).mul(std).add(shift).to(dtype));
        parameters.add(p);
        return p;
    }

    private Linear linear(String name, long in, long out, boolean bias, DType dtype) {
        return new Linear(
                name,
                new DenseLinear(
                        parameter(name + ".weight", 0, 1 / Math.sqrt(in), dtype, out, in),
                        bias ? parameter(name + ".bias", 0, 0.3, dtype, out) : null));
    }

    private FusedBlock.By by = FusedBlock.By.KERNELS;

    private Segment block(Kind k, DType dtype, double dropout) {
        boolean llama = k.isLlama();
        SelfAttention.Shape shape = new SelfAttention.Shape(
                k.heads, k.keyValueHeads, k.headWidth, 1 / Math.sqrt(k.headWidth), dropout, llama);
        long queries = (long) k.heads * k.headWidth;
        long keys = (long) k.keyValueHeads * k.headWidth;
        List<Linear> inputs = llama
                ? List.of(
                        linear("q", k.width, queries, false, dtype),
                        linear("k", k.width, keys, false, dtype),
                        linear("v", k.width, keys, false, dtype))
                : List.of(linear("qkv", k.width, queries + 2 * keys, true, dtype));
        SelfAttention attention =
                new SelfAttention("block", 0, shape, inputs, linear("o", queries, k.width, !llama, dtype));
        FeedForward feedForward = new FeedForward(
                "block",
                llama ? linear("gate", k.width, k.inner, false, dtype) : null,
                linear("up", k.width, k.inner, !llama, dtype),
                linear("down", k.inner, k.width, !llama, dtype),
                k.activation);
        return new AnySize(
                new TransformerBlock(
                        "block",
                        Residual.preNorm(norm("n1", k, dtype), attention),
                        Residual.preNorm(norm("n2", k, dtype), feedForward).withDropout(dropout)),
                by);
    }

    /** A block that is hand-written however small the call. */
    private static final class AnySize extends Segment {
        private final TransformerBlock block;
        private final FusedBlock.By by;

        AnySize(TransformerBlock block, FusedBlock.By by) {
            super(block.name());
            this.block = block;
            this.by = by;
        }

        @Override
        public List<String> reads() {
            return block.reads();
        }

        @Override
        public List<String> readsIfPresent() {
            return block.readsIfPresent();
        }

        @Override
        public List<String> writes() {
            return block.writes();
        }

        @Override
        public List<Parameter> parameters() {
            return block.parameters();
        }

        @Override
        public void forward(Flow flow, Pass pass) {
            block.forward(flow, pass);
        }

        @Override
        public Optional<HandWritten> handWritten(Flow flow, Pass pass) {
            return FusedBlock.ofAnySize(block.steps(), flow, pass, Optional.of(by));
        }
    }

    private Norm norm(String name, Kind k, DType dtype) {
        Parameter weight = parameter(name + ".weight", 1, 0.3, dtype, k.width);
        return k.isLlama()
                ? new Norm.RmsNorm(weight, 1e-5)
                : new Norm.LayerNorm(weight, parameter(name + ".bias", 0, 0.3, dtype, k.width), 1e-5);
    }

    private Flow flow(Kind k, DType dtype, int batch, int length) {
        Flow flow = new Flow()
                .put(
                        "hidden_states",
                        Tensor.randn(random, batch, length, k.width)
                                .add(0.5)
                                .to(dtype)
                                .requiresGrad_(true))
                .put("mask", Mask.causal().of(length, 0, null, dtype, Device.CPU));
        if (k.isLlama()) {
            float[] inverse = new float[k.headWidth / 2];
            for (int i = 0; i < inverse.length; i++) {
                inverse[i] = (float) Math.pow(10_000, -2.0 * i / k.headWidth);
            }
            Rotary.CosSin angles = Rotary.angles(
                    Tensor.arange(length, DType.INT64, Device.CPU), Tensor.of(inverse, inverse.length), 1);
            flow.put("rotary_cos", angles.cos().to(dtype))
                    .put("rotary_sin", angles.sin().to(dtype));
        }
        return flow;
    }

    private static Map<String, float[]> run(Segment block, Flow flow, Tensor dy, Pass pass) {
        Network network = new Network(List.of(block));
        Map<String, float[]> result = new LinkedHashMap<>();
        try (Tape tape = network.forward(flow, pass)) {
            result.put("y", tape.get("hidden_states").toFloats());
            tape.backward(Map.of("hidden_states", dy));
            result.put("dx", tape.gradient("hidden_states").toFloats());
        }
        result.putAll(Gradients.take(network));
        return result;
    }

    /** A probed block takes the plain form. */
    private static Pass plain() {
        return Pass.training(1).probe("block/nothing", x -> x);
    }

    private void assertFusedEqualsPlain(Kind k, DType dtype, int batch, int length, double tolerance) {
        for (FusedBlock.By products : FusedBlock.By.values()) {
            by = products;
            assertEqualsPlain(k, dtype, batch, length, tolerance);
        }
    }

    private void assertEqualsPlain(Kind k, DType dtype, int batch, int length, double tolerance) {
        Segment block = block(k, dtype, 0);
        Flow flow = flow(k, dtype, batch, length);
        Tensor dy = Tensor.randn(random, batch, length, k.width).to(dtype);
        assertTrue(block.handWritten(flow, Pass.training(1)).isPresent(), "the block is not hand-written");
        Map<String, float[]> expected = run(block, flow, dy, plain());
        Map<String, float[]> actual = run(block, flow, dy, Pass.training(1));
        Gradients.assertClose(expected, actual, tolerance);
        Gradients.assertSameBits(actual, run(block, flow, dy, Pass.training(1)));
        float[] inferred = new Network(List.of(block))
                .infer(flow, Pass.evaluation())
                .get("hidden_states")
                .toFloats();
        Gradients.assertSameBits(actual.get("y"), inferred, "y without a tape");
        parameters.forEach(Parameter::close);
        parameters.clear();
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void equalsThePlainForm(Kind k) {
        assertFusedEqualsPlain(k, DType.FP32, 3, 70, FP32);
        assertFusedEqualsPlain(k, DType.FP32, 8, 64, FP32);
        assertFusedEqualsPlain(k, DType.FP32, 1, 133, FP32);
        assertFusedEqualsPlain(k, DType.FP32, 5, 1, FP32);
    }

    /** Without ReLU, whose slope jumps where roundings differ. */
    @ParameterizedTest
    @EnumSource(value = Kind.class, names = "GPT_EVEN", mode = EnumSource.Mode.EXCLUDE)
    void equalsThePlainFormInBf16(Kind k) {
        assertFusedEqualsPlain(k, DType.BF16, 3, 70, BF16);
        assertFusedEqualsPlain(k, DType.BF16, 10, 24, BF16);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 5})
    void anyCountOfThreadsGivesTheSame(int threads) {
        int before = KernelThreads.count();
        try {
            KernelThreads.setCount(threads);
            assertFusedEqualsPlain(Kind.GPT, DType.FP32, 4, 100, FP32);
            assertFusedEqualsPlain(Kind.LLAMA, DType.FP32, 1, 100, FP32);
        } finally {
            KernelThreads.setCount(before);
        }
    }

    /** Lengths from one token to more than a tile; few enough that heads are shared, or each thread has its own documents. */
    private static final List<int[]> DOCUMENTS = List.of(
            new int[] {1, 130, 7}, new int[] {40, 3, 64, 1, 90, 33, 8, 70, 65}, new int[] {17}, new int[] {250, 1, 1});

    /** Documents one behind another, with tables of their own for every token. */
    private Flow documents(Kind k, DType dtype, int[] lengths) {
        int tokens = Arrays.stream(lengths).sum();
        int longest = Arrays.stream(lengths).max().orElseThrow();
        Flow flow = flow(k, dtype, 1, tokens);
        long[] borders = new long[lengths.length + 1];
        List<Tensor> cos = new ArrayList<>();
        List<Tensor> sin = new ArrayList<>();
        for (int i = 0; i < lengths.length; i++) {
            borders[i + 1] = borders[i] + lengths[i];
            if (k.isLlama()) {
                cos.add(flow.get("rotary_cos").narrow(0, 0, lengths[i]));
                sin.add(flow.get("rotary_sin").narrow(0, 0, lengths[i]));
            }
        }
        if (k.isLlama()) {
            flow.put("rotary_cos", Tensor.cat(cos, 0)).put("rotary_sin", Tensor.cat(sin, 0));
        }
        return flow.put("mask", Mask.causal().of(longest, 0, null, dtype, Device.CPU))
                .put("cu_seqlens", Tensor.of(borders, borders.length));
    }

    private void assertDocumentsEqualThePlainForm(Kind k, DType dtype, int[] lengths, double tolerance) {
        Segment block = block(k, dtype, 0);
        Flow flow = documents(k, dtype, lengths);
        Tensor dy = Tensor.randn(random, flow.get("hidden_states").shape()).to(dtype);
        assertTrue(block.handWritten(flow, Pass.training(1)).isPresent(), "the block is not hand-written");
        Map<String, float[]> expected = run(block, flow, dy, plain());
        Map<String, float[]> actual = run(block, flow, dy, Pass.training(1));
        Gradients.assertClose(expected, actual, tolerance);
        Gradients.assertSameBits(actual, run(block, flow, dy, Pass.training(1)));
        parameters.forEach(Parameter::close);
        parameters.clear();
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void documentsEqualThePlainForm(Kind k) {
        DOCUMENTS.forEach(lengths -> assertDocumentsEqualThePlainForm(k, DType.FP32, lengths, FP32));
    }

    @Test
    void documentsEqualThePlainFormInBf16() {
        DOCUMENTS.forEach(lengths -> assertDocumentsEqualThePlainForm(Kind.LLAMA, DType.BF16, lengths, BF16));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 5})
    void documentsOnAnyCountOfThreads(int threads) {
        int before = KernelThreads.count();
        try {
            KernelThreads.setCount(threads);
            DOCUMENTS.forEach(lengths -> assertDocumentsEqualThePlainForm(Kind.LLAMA, DType.FP32, lengths, FP32));
        } finally {
            KernelThreads.setCount(before);
        }
    }

    /** Pieces of which some go on from others, several levels deep: their lengths, and what each goes on from. */
    private static final List<int[][]> PIECES = List.of(
            new int[][] {{40, 3, 64, 1, 90, 33, 8, 70, 65}, {-1, 0, 0, 2, 2, 4, 0, -1, 7}},
            new int[][] {{7, 130, 1}, {-1, 0, 1}},
            new int[][] {{1, 1}, {-1, 0}});

    private Flow pieces(Kind k, DType dtype, int[] lengths, int[] before) {
        Flow flow = documents(k, dtype, lengths);
        int n = lengths.length;
        long[] borders = Arrays.copyOf(flow.get("cu_seqlens").toLongs(), 2 * (n + 1));
        int[] past = new int[n];
        int longest = 0;
        List<Tensor> cos = new ArrayList<>();
        List<Tensor> sin = new ArrayList<>();
        Flow angles = flow(k, dtype, 1, Arrays.stream(lengths).sum());
        for (int i = 0; i < n; i++) {
            borders[n + 1 + i] = before[i];
            past[i] = before[i] < 0 ? 0 : past[before[i]] + lengths[before[i]];
            longest = Math.max(longest, past[i] + lengths[i]);
            if (k.isLlama()) {
                cos.add(angles.get("rotary_cos").narrow(0, past[i], lengths[i]));
                sin.add(angles.get("rotary_sin").narrow(0, past[i], lengths[i]));
            }
        }
        if (k.isLlama()) {
            flow.put("rotary_cos", Tensor.cat(cos, 0)).put("rotary_sin", Tensor.cat(sin, 0));
        }
        return flow.put("mask", Mask.causal().of(longest, 0, null, dtype, Device.CPU))
                .put("cu_seqlens", Tensor.of(borders, 2, n + 1));
    }

    private void assertPiecesEqualThePlainForm(Kind k, DType dtype, double tolerance) {
        for (int[][] pieces : PIECES) {
            Segment block = block(k, dtype, 0);
            Flow flow = pieces(k, dtype, pieces[0], pieces[1]);
            Tensor dy = Tensor.randn(random, flow.get("hidden_states").shape()).to(dtype);
            assertTrue(block.handWritten(flow, Pass.training(1)).isPresent(), "the block is not hand-written");
            Map<String, float[]> expected = run(block, flow, dy, plain());
            Map<String, float[]> actual = run(block, flow, dy, Pass.training(1));
            Gradients.assertClose(expected, actual, tolerance);
            Gradients.assertSameBits(actual, run(block, flow, dy, Pass.training(1)));
            parameters.forEach(Parameter::close);
            parameters.clear();
        }
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void piecesThatGoOnEqualThePlainForm(Kind k) {
        assertPiecesEqualThePlainForm(k, DType.FP32, FP32);
        by = FusedBlock.By.LIBRARY;
        assertPiecesEqualThePlainForm(k, DType.FP32, FP32);
    }

    @Test
    void piecesThatGoOnEqualThePlainFormInBf16() {
        assertPiecesEqualThePlainForm(Kind.LLAMA, DType.BF16, BF16);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 5})
    void piecesOnAnyCountOfThreads(int threads) {
        int before = KernelThreads.count();
        try {
            KernelThreads.setCount(threads);
            assertPiecesEqualThePlainForm(Kind.LLAMA, DType.FP32, FP32);
        } finally {
            KernelThreads.setCount(before);
        }
    }

    /** Another document's tokens change no bit of what a document reads, nor of the gradient that comes back to it. */
    @ParameterizedTest
    @EnumSource(Kind.class)
    void aDocumentSeesItselfOnly(Kind k) {
        for (int[] lengths : DOCUMENTS) {
            for (Pass pass : List.of(plain(), Pass.training(1))) {
                Segment block = block(k, DType.FP32, 0);
                Flow flow = documents(k, DType.FP32, lengths);
                Tensor dy = Tensor.randn(random, flow.get("hidden_states").shape());
                Map<String, float[]> before = run(block, flow, dy, pass);
                int changed = lengths[0] * k.width;
                Tensor other = flow.get("hidden_states").detach().copy();
                other.narrow(1, 0, lengths[0]).mul_(-3);
                flow.put("hidden_states", other.requiresGrad_(true));
                Map<String, float[]> after = run(block, flow, dy, pass);
                for (String name : List.of("y", "dx")) {
                    float[] a = before.get(name);
                    float[] b = after.get(name);
                    assertFalse(Arrays.equals(a, 0, changed, b, 0, changed), name + " of the changed one");
                    assertTrue(
                            Arrays.equals(a, changed, a.length, b, changed, b.length),
                            name + " of the others in " + Arrays.toString(lengths));
                }
                parameters.forEach(Parameter::close);
                parameters.clear();
            }
        }
    }

    @Test
    void frozenWeightsGetNoGradient() {
        Segment block = block(Kind.LLAMA, DType.FP32, 0);
        parameters.forEach(
                p -> p.setTrainable(p.name().equals("k.weight") || p.name().equals("n2.weight")));
        Flow flow = flow(Kind.LLAMA, DType.FP32, 2, 40);
        Tensor dy = Tensor.randn(random, 2, 40, Kind.LLAMA.width);
        Map<String, float[]> expected = run(block, flow, dy, plain());
        assertEquals(4, expected.size());
        Gradients.assertClose(expected, run(block, flow, dy, Pass.training(1)), FP32);
        parameters.forEach(Parameter::close);
    }

    @ParameterizedTest
    @EnumSource
    void gradientsOfTwoPassesAddUp(FusedBlock.By products) {
        by = products;
        Segment block = block(Kind.GPT, DType.FP32, 0);
        Network network = new Network(List.of(block));
        Flow flow = flow(Kind.GPT, DType.FP32, 2, 40);
        Tensor dy = Tensor.randn(random, 2, 40, Kind.GPT.width);
        Map<String, float[]> once = run(block, flow, dy, Pass.training(1));
        for (int i = 0; i < 2; i++) {
            try (Tape tape = network.forward(flow, Pass.training(1))) {
                tape.backward(Map.of("hidden_states", dy));
            }
        }
        Map<String, float[]> twice = Gradients.take(network);
        twice.forEach((name, g) -> {
            float[] doubled = once.get(name).clone();
            for (int i = 0; i < doubled.length; i++) {
                doubled[i] *= 2;
            }
            if (products == FusedBlock.By.KERNELS) {
                Gradients.assertSameBits(doubled, g, name);
            }
        });
        // A library's product that adds to a sum rounds otherwise.
        once.values().forEach(g -> {
            for (int i = 0; i < g.length; i++) {
                g[i] *= 2;
            }
        });
        once.keySet().retainAll(twice.keySet());
        Gradients.assertClose(once, twice, FP32);
        parameters.forEach(Parameter::close);
    }

    /** Arrays are used again: a batch that is not finite leaves nothing in them. */
    @ParameterizedTest
    @EnumSource
    void whatIsNotFiniteDoesNotStay(FusedBlock.By products) {
        by = products;
        for (Kind k : List.of(Kind.GPT, Kind.GPT_WIDER_THAN_ITS_PARTS, Kind.LLAMA)) {
            Segment block = block(k, DType.FP32, 0);
            Flow flow = flow(k, DType.FP32, 2, 40);
            Tensor dy = Tensor.randn(random, 2, 40, k.width);
            Map<String, float[]> before = run(block, flow, dy, Pass.training(1));
            Tensor clean = flow.get("hidden_states");
            for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
                Tensor broken = clean.detach().copy();
                broken.narrow(1, 7, 1).mul_(bad);
                flow.put("hidden_states", broken.requiresGrad_(true));
                float[] y = run(block, flow, dy, Pass.training(1)).get("y");
                assertTrue(Float.isNaN(y[7 * k.width]), "a row that is not finite gives " + y[7 * k.width]);
                flow.put("hidden_states", clean);
                Gradients.assertSameBits(before, run(block, flow, dy, Pass.training(1)));
            }
            parameters.forEach(Parameter::close);
            parameters.clear();
        }
    }

    @Test
    void aSmallCallTakesThePlainForm() {
        assumeTrue(FusedSetting.current() == FusedSetting.FASTER, FusedSetting.VARIABLE + " is set");
        TransformerBlock block = ((AnySize) block(Kind.GPT_EVEN, DType.FP32, 0)).block;
        assertFalse(block.handWritten(flow(Kind.GPT_EVEN, DType.FP32, 1, 255), Pass.evaluation())
                .isPresent());
        assertTrue(block.handWritten(flow(Kind.GPT_EVEN, DType.FP32, 1, 256), Pass.evaluation())
                .isPresent());
        parameters.forEach(Parameter::close);
    }

    @Test
    void theSettingIsReadFromItsVariable() {
        assertEquals(FusedSetting.FASTER, FusedSetting.of(null));
        assertEquals(FusedSetting.FASTER, FusedSetting.of(""));
        assertEquals(FusedSetting.ALWAYS, FusedSetting.of("always"));
        assertEquals(FusedSetting.LIBRARY, FusedSetting.of("library"));
        assertEquals(FusedSetting.NEVER, FusedSetting.of("never"));
        QuernException e = assertThrows(QuernException.class, () -> FusedSetting.of("perhaps"));
        assertTrue(e.getMessage().startsWith("QUERN_FUSED_BLOCKS is 'perhaps'"), e.getMessage());
    }

    @Test
    void whatItCannotDoTakesThePlainForm() {
        Segment block = block(Kind.GPT, DType.FP32, 0.1);
        Flow flow = flow(Kind.GPT, DType.FP32, 2, 40);
        assertFalse(block.handWritten(flow, Pass.training(1)).isPresent(), "dropout");
        assertTrue(block.handWritten(flow, Pass.evaluation()).isPresent(), "no dropout in evaluation");
        Tensor padding = Tensor.of(new long[80], 2, 40).add(1);
        padding.narrow(1, 30, 10).zero_();
        for (Tensor mask : List.of(
                Mask.causal().of(40, 0, padding, DType.FP32, Device.CPU),
                Mask.slidingWindow(7).of(40, 0, null, DType.FP32, Device.CPU),
                Mask.bidirectional().of(40, 0, null, DType.FP32, Device.CPU))) {
            flow.put("mask", mask);
            assertFalse(block.handWritten(flow, Pass.evaluation()).isPresent(), "mask " + mask);
        }
        parameters.forEach(Parameter::close);
    }
}
