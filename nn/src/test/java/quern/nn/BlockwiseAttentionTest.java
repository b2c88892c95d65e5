package quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/** Attention in blocks equals attention with all scores at once, forward and backward. */
class BlockwiseAttentionTest extends ScopedTest {
    /** fp32 sums of up to some hundred keys in another order, over the largest element. */
    private static final double CLOSE = 1e-5;

    /** bf16 keeps 8 bits; patterns and results are rounded to it. */
    private static final double CLOSE_BF16 = 2e-2;

    /** One case: shapes, what is seen, what is added. */
    private record Case(
            int batch,
            int heads,
            int keyValueHeads,
            int queries,
            int past,
            int width,
            Mask mask,
            long[] padding,
            double softCap,
            DType dtype) {
        int keys() {
            return past + queries;
        }

        Case in(DType other) {
            return new Case(batch, heads, keyValueHeads, queries, past, width, mask, padding, softCap, other);
        }

        Tensor paddingTensor() {
            return padding == null ? null : Tensor.of(padding, batch, keys());
        }
    }

    private static Tensor normal(long seed, DType dtype, long... shape) {
        return Tensor.randn(new RandomStream(seed), shape).to(dtype);
    }

    /** The result and the gradients of queries, keys and values, for a cotangent that is 0 where rows are padding. */
    private static List<float[]> atOnce(Case c, List<Tensor> qkv, Tensor dy) {
        List<Tensor> leaves =
                qkv.stream().map(x -> x.copy().requiresGrad_(true)).toList();
        Tensor mask = c.mask.of(c.queries, c.past, c.paddingTensor(), c.dtype, Device.CPU);
        Tensor y = Attention.attend(
                leaves.get(0), leaves.get(1), leaves.get(2), mask, 0.3, c.softCap, 0, Pass.evaluation(), "s");
        Tensor rows = y.view(c.batch, c.queries, c.heads, c.width).transpose(1, 2);
        List<float[]> result = new ArrayList<>();
        result.add(rows.mul(real(c)).toFloats());
        Autograd.grad(List.of(rows), leaves, List.of(dy), false, false).forEach(g -> result.add(g.toFloats()));
        return result;
    }

    private static BlockwiseAttention operator(BlockwiseAttention.Visible visible, AttentionTiles.Scores scores) {
        return new BlockwiseAttention(visible, scores, false, false);
    }

    private static List<float[]> inBlocks(Case c, List<Tensor> qkv, Tensor dy) {
        CallMask mask = new CallMask(c.mask, c.queries, c.past, c.paddingTensor(), null);
        BlockwiseAttention operator =
                operator(mask.visible(c.batch, c.keys(), Device.CPU), new AttentionTiles.Scores(0.3, c.softCap, 0, 0));
        List<float[]> result = new ArrayList<>();
        try (Autograd.Mode mode = Autograd.noGrad();
                HandWrittenOperator.Computed computed = operator.forward(qkv)) {
            result.add(computed.result().mul(real(c)).toFloats());
            computed.backward(dy).forEach(g -> result.add(g.toFloats()));
        }
        return result;
    }

    /** 1 for real queries, 0 for padding, [B, 1, T, 1]. */
    private static Tensor real(Case c) {
        return c.padding == null
                ? Tensor.full(1, c.dtype, Device.CPU, 1)
                : c.paddingTensor()
                        .narrow(1, c.past, c.queries)
                        .to(c.dtype)
                        .unsqueeze(1)
                        .unsqueeze(3);
    }

    private static void holds(Case c, long seed, double tolerance) {
        List<Tensor> qkv = List.of(
                normal(seed, c.dtype, c.batch, c.heads, c.queries, c.width),
                normal(seed + 1, c.dtype, c.batch, c.keyValueHeads, c.keys(), c.width),
                normal(seed + 2, c.dtype, c.batch, c.keyValueHeads, c.keys(), c.width));
        Tensor dy =
                normal(seed + 3, c.dtype, c.batch, c.heads, c.queries, c.width).mul(real(c));
        // The same numbers in fp32: attention at once in bf16 would round scores too.
        List<float[]> expected =
                atOnce(c.in(DType.FP32), qkv.stream().map(x -> x.to(DType.FP32)).toList(), dy.to(DType.FP32));
        List<float[]> actual = inBlocks(c, qkv, dy);
        List<String> names = List.of("result", "queries", "keys", "values");
        for (int i = 0; i < names.size(); i++) {
            assertClose(expected.get(i), actual.get(i), tolerance, names.get(i) + " of " + c);
        }
    }

    /** Beside the largest element, or beside 1: of a query that sees one key the gradient is 0. */
    private static void assertClose(float[] expected, float[] actual, double tolerance, String what) {
        double largest = 1;
        for (float x : expected) {
            largest = Math.max(largest, Math.abs(x));
        }
        for (int i = 0; i < expected.length; i++) {
            double deviation = Math.abs((double) expected[i] - actual[i]);
            assertTrue(
                    deviation <= tolerance * largest,
                    "%s: %g at %d, expected %g".formatted(what, actual[i], i, expected[i]));
        }
    }

    /** Every kind of mask, its sizes drawn by {@code random}. */
    private static List<Mask> masks(Random random, int heads) {
        int near = 1 + random.nextInt(40);
        SparsePattern strided = new SparsePattern.Strided(1 + random.nextInt(30));
        SparsePattern blocks = new SparsePattern.Blocks(1 + random.nextInt(24), random.nextInt(3), random.nextInt(3));
        SparsePattern globals = new SparsePattern.Globals(near, 1 + random.nextInt(12));
        Mask.Alibi alibi = Mask.Alibi.of(heads);
        return List.of(
                Mask.causal(),
                Mask.bidirectional(),
                Mask.slidingWindow(near),
                Mask.bidirectional(near),
                Mask.causal(strided),
                Mask.bidirectional(strided),
                Mask.causal(blocks),
                Mask.bidirectional(blocks),
                Mask.causal(globals),
                Mask.bidirectional(globals),
                Mask.causal().with(alibi),
                Mask.slidingWindow(near).with(alibi),
                Mask.causal(strided).with(alibi),
                Mask.bidirectional(globals).with(alibi));
    }

    /** 0 at the left, at the right or here and there. */
    private static long[] padding(Random random, int batch, int keys) {
        int kind = random.nextInt(4);
        if (kind == 0) {
            return null;
        }
        long[] real = new long[batch * keys];
        for (int b = 0; b < batch; b++) {
            int cut = random.nextInt(keys);
            for (int k = 0; k < keys; k++) {
                boolean there = switch (kind) {
                    case 1 -> k >= cut;
                    case 2 -> k <= cut;
                    default -> k == cut || random.nextInt(4) > 0;
                };
                real[b * keys + k] = there ? 1 : 0;
            }
        }
        return real;
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
    void equalsAllScoresAtOnceForAnyShape(long seed) {
        Random random = new Random(seed);
        int keyValueHeads = 1 + random.nextInt(3);
        int heads = keyValueHeads * (1 + random.nextInt(3));
        int queries = 1 + random.nextInt(seed % 3 == 0 ? 300 : 90);
        int batch = 1 + random.nextInt(2);
        int past = random.nextInt(4) == 0 ? random.nextInt(50) : 0;
        for (Mask mask : masks(random, heads)) {
            // Whoever looks ahead does so with no text before.
            int before = mask.ahead() ? 0 : past;
            Case c = new Case(
                    batch,
                    heads,
                    keyValueHeads,
                    queries,
                    before,
                    1 + random.nextInt(20),
                    mask,
                    padding(random, batch, before + queries),
                    random.nextInt(3) == 0 ? 2 : 0,
                    DType.FP32);
            if (mask.reach().isPresent() && before > 0) {
                c = new Case(batch, heads, keyValueHeads, queries, 0, c.width, mask, null, c.softCap, DType.FP32);
            }
            holds(c, seed, CLOSE);
        }
    }

    @Test
    void equalsAllScoresAtOnceInBf16() {
        for (Mask mask : masks(new Random(5), 4)) {
            holds(new Case(2, 4, 2, 150, 0, 16, mask, null, 0, DType.BF16), 9, CLOSE_BF16);
        }
    }

    /** A window's cache holds the newest keys only; a query then meets those. */
    @Test
    void keysBeforeTheWindowMayBeGone() {
        int window = 5;
        int past = 20;
        int queries = 40;
        Tensor q = normal(1, DType.FP32, 1, 2, past + queries, 4);
        Tensor k = normal(2, DType.FP32, 1, 2, past + queries, 4);
        Tensor v = normal(3, DType.FP32, 1, 2, past + queries, 4);
        Mask mask = Mask.slidingWindow(window);
        AttentionTiles.Scores scores = new AttentionTiles.Scores(0.5, 0, 0, 0);
        CallMask whole = new CallMask(mask, past + queries, 0, null, null);
        CallMask later = new CallMask(mask, queries, past, null, null);
        long held = window - 1 + queries;
        try (Autograd.Mode mode = Autograd.noGrad()) {
            Tensor all = result(operator(whole.visible(1, past + queries, Device.CPU), scores), q, k, v);
            Tensor part = result(
                    operator(later.visible(1, held, Device.CPU), scores),
                    q.narrow(2, past, queries),
                    k.narrow(2, past + queries - held, held),
                    v.narrow(2, past + queries - held, held));
            Gradients.assertClose(
                    all.narrow(2, past, queries).toFloats(), part.toFloats(), CLOSE, "after the window moved");
        }
    }

    private static Tensor result(BlockwiseAttention operator, Tensor q, Tensor k, Tensor v) {
        try (HandWrittenOperator.Computed computed = operator.forward(List.of(q, k, v))) {
            return computed.result();
        }
    }

    /** A bias that is learned gets its gradient, summed over what it was broadcast to. */
    @ParameterizedTest
    @ValueSource(strings = {"1,1,1,70", "1,4,70,70", "2,1,1,70", "2,4,70,70"})
    void addsATensorAndGivesItsGradient(String shape) {
        long[] sizes = java.util.Arrays.stream(shape.split(","))
                .mapToLong(Long::parseLong)
                .toArray();
        Tensor q = normal(1, DType.FP32, 2, 4, 70, 6);
        Tensor k = normal(2, DType.FP32, 2, 2, 70, 6);
        Tensor v = normal(3, DType.FP32, 2, 2, 70, 6);
        Tensor bias = normal(4, DType.FP32, sizes);
        Tensor dy = normal(5, DType.FP32, 2, 4, 70, 6);
        List<Tensor> leaves = List.of(q, k, v, bias).stream()
                .map(x -> x.copy().requiresGrad_(true))
                .toList();
        Tensor y = Attention.attend(
                        leaves.get(0), leaves.get(1), leaves.get(2), leaves.get(3), 0.4, 0, Pass.evaluation(), "s")
                .view(2, 70, 4, 6)
                .transpose(1, 2);
        List<Tensor> expected = Autograd.grad(List.of(y), leaves, List.of(dy), false, false);
        BlockwiseAttention operator = new BlockwiseAttention(
                BlockwiseAttention.Visible.all(q, k), new AttentionTiles.Scores(0.4, 0, 0, 0), true, false);
        try (Autograd.Mode mode = Autograd.noGrad();
                HandWrittenOperator.Computed computed = operator.forward(leaves)) {
            Gradients.assertClose(y.toFloats(), computed.result().toFloats(), CLOSE, "result");
            List<Tensor> actual = computed.backward(dy);
            for (int i = 0; i < leaves.size(); i++) {
                assertArrayEquals(leaves.get(i).shape(), actual.get(i).shape());
                Gradients.assertClose(expected.get(i).toFloats(), actual.get(i).toFloats(), CLOSE, "gradient " + i);
            }
        }
    }

    /** A sink takes a share of every row, near keys and far ones, and learns from all. */
    @Test
    void aSinkTakesItsShare() {
        Tensor q = normal(1, DType.FP32, 2, 4, 50, 6);
        Tensor k = normal(2, DType.FP32, 2, 2, 50, 6);
        Tensor v = normal(3, DType.FP32, 2, 2, 50, 6);
        Tensor dy = normal(5, DType.FP32, 2, 4, 50, 6);
        for (Mask mask : List.of(Mask.causal(), Mask.causal(new SparsePattern.Strided(6)))) {
            try (Parameter sinks = ToyModel.parameter(4, "sinks", 1, 4)) {
                List<Tensor> leaves = new ArrayList<>(List.of(q, k, v).stream()
                        .map(x -> x.copy().requiresGrad_(true))
                        .toList());
                leaves.add(sinks.value());
                Tensor y = Attention.attend(
                                leaves.get(0),
                                leaves.get(1),
                                leaves.get(2),
                                mask.of(50, 0, null, DType.FP32, Device.CPU),
                                new Attention.Scores(0.4, 0, sinks, null),
                                0,
                                Pass.evaluation(),
                                "s",
                                "")
                        .view(2, 50, 4, 6)
                        .transpose(1, 2);
                List<Tensor> expected = Autograd.grad(List.of(y), leaves, List.of(dy), false, false);
                BlockwiseAttention operator = new BlockwiseAttention(
                        new CallMask(mask, 50, 0, null, null).visible(2, 50, Device.CPU),
                        new AttentionTiles.Scores(0.4, 0, 0, 0),
                        false,
                        true);
                try (Autograd.Mode mode = Autograd.noGrad();
                        HandWrittenOperator.Computed computed = operator.forward(leaves)) {
                    Gradients.assertClose(y.toFloats(), computed.result().toFloats(), CLOSE, "result");
                    List<Tensor> actual = computed.backward(dy);
                    for (int i = 0; i < leaves.size(); i++) {
                        Gradients.assertClose(
                                expected.get(i).toFloats(), actual.get(i).toFloats(), CLOSE, "gradient " + i);
                    }
                }
            }
        }
    }

    /** The tokens of a prefix see each other, each row as many as it has. */
    @Test
    void aPrefixSeesItselfWhole() {
        Tensor q = normal(1, DType.FP32, 2, 2, 200, 6);
        Tensor k = normal(2, DType.FP32, 2, 2, 200, 6);
        Tensor v = normal(3, DType.FP32, 2, 2, 200, 6);
        long[] real = new long[400];
        java.util.Arrays.fill(real, 3, 400, 1);
        Tensor padding = Tensor.of(real, 2, 200);
        Tensor prefixes = Tensor.of(new long[] {140, 7}, 2);
        for (Mask mask :
                List.of(Mask.causalBehindPrefix(), Mask.causalBehindPrefix().with(Mask.Alibi.of(2)))) {
            Tensor expected = Attention.attend(
                            q,
                            k,
                            v,
                            mask.of(200, 0, padding, prefixes, DType.FP32, Device.CPU),
                            0.4,
                            0,
                            Pass.evaluation(),
                            "s")
                    .view(2, 200, 2, 6)
                    .transpose(1, 2);
            try (Autograd.Mode mode = Autograd.noGrad()) {
                Tensor actual = result(
                        operator(
                                new CallMask(mask, 200, 0, padding, prefixes).visible(2, 200, Device.CPU),
                                new AttentionTiles.Scores(0.4, 0, 0, 0)),
                        q,
                        k,
                        v);
                Gradients.assertClose(
                        expected.narrow(2, 3, 197).contiguous().toFloats(),
                        actual.narrow(2, 3, 197).contiguous().toFloats(),
                        CLOSE,
                        mask.toString());
            }
        }
    }

    /** With dropout the backward must meet the pattern that the forward dropped: compared with finite differences. */
    @Test
    void dropoutIsTheSameInTheBackward() {
        Tensor q = normal(1, DType.FP32, 1, 2, 150, 4);
        Tensor k = normal(2, DType.FP32, 1, 2, 150, 4);
        Tensor v = normal(3, DType.FP32, 1, 2, 150, 4);
        Tensor dy = normal(4, DType.FP32, 1, 2, 150, 4);
        for (Mask mask : List.of(Mask.causal(), Mask.causal(new SparsePattern.Strided(7)))) {
            BlockwiseAttention operator = operator(
                    new CallMask(mask, 150, 0, null, null).visible(1, 150, Device.CPU),
                    new AttentionTiles.Scores(0.5, 0, 0.3, 11));
            try (Autograd.Mode mode = Autograd.noGrad();
                    HandWrittenOperator.Computed computed = operator.forward(List.of(q, k, v))) {
                List<Tensor> gradients = computed.backward(dy);
                List<Tensor> inputs = List.of(q, k, v);
                for (int i = 0; i < 3; i++) {
                    Tensor direction = normal(20 + i, DType.FP32, inputs.get(i).shape());
                    double step = 1e-2;
                    double[] values = new double[2];
                    for (int side = 0; side < 2; side++) {
                        List<Tensor> moved = new ArrayList<>(inputs);
                        moved.set(i, inputs.get(i).add(direction.mul(side == 0 ? step : -step)));
                        values[side] = result(operator, moved.get(0), moved.get(1), moved.get(2))
                                .mul(dy)
                                .sum()
                                .item();
                    }
                    double expected = (values[0] - values[1]) / (2 * step);
                    double actual = gradients.get(i).mul(direction).sum().item();
                    // fp32 sums of a thousand terms over a step of 1e-2, and the third derivative.
                    assertEquals(expected, actual, 1e-2 * Math.max(1, Math.abs(expected)), mask + " input " + i);
                }
                double share = 0;
                Tensor ones = Tensor.full(1, DType.FP32, Device.CPU, 1, 2, 150, 4);
                share = result(operator, q, k, ones).mean().item();
                assertTrue(Math.abs(share - 1) < 0.1 && share != 1, "weights sum to " + share + " with dropout");
            }
        }
    }
}
