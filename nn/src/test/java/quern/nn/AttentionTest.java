package quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/** Causality, masks, grouped heads, caches and rotary positions. */
class AttentionTest extends ScopedTest {
    private static final double SCALE = 0.5;

    private static Tensor normal(long seed, long... shape) {
        return Tensor.randn(new RandomStream(seed), shape);
    }

    private static Tensor attend(Tensor q, Tensor k, Tensor v, Tensor mask) {
        return Attention.attend(q, k, v, mask, SCALE, 0, Pass.evaluation(), "s");
    }

    @Test
    void equalsTheDefinition() {
        Tensor q = normal(1, 2, 3, 5, 4);
        Tensor k = normal(2, 2, 3, 7, 4);
        Tensor v = normal(3, 2, 3, 7, 4);
        float[] qs = q.toFloats();
        float[] ks = k.toFloats();
        float[] vs = v.toFloats();
        float[] expected = new float[2 * 5 * 3 * 4];
        int offset = 2;
        for (int b = 0; b < 2; b++) {
            for (int h = 0; h < 3; h++) {
                for (int t = 0; t < 5; t++) {
                    double[] p = new double[offset + t + 1];
                    double sum = 0;
                    for (int s = 0; s < p.length; s++) {
                        double dot = 0;
                        for (int d = 0; d < 4; d++) {
                            dot += qs[((b * 3 + h) * 5 + t) * 4 + d] * ks[((b * 3 + h) * 7 + s) * 4 + d];
                        }
                        p[s] = Math.exp(SCALE * dot);
                        sum += p[s];
                    }
                    for (int d = 0; d < 4; d++) {
                        double y = 0;
                        for (int s = 0; s < p.length; s++) {
                            y += p[s] / sum * vs[((b * 3 + h) * 7 + s) * 4 + d];
                        }
                        expected[((b * 5 + t) * 3 + h) * 4 + d] = (float) y;
                    }
                }
            }
        }
        Tensor mask = Attention.causalMask(5, offset, DType.FP32, Device.CPU);
        Tensor y = attend(q, k, v, mask);
        assertArrayEquals(new long[] {2, 5, 12}, y.shape());
        Gradients.assertClose(expected, y.toFloats(), Gradients.FP32, "attention");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void groupedHeadsEqualRepeatedOnes(int keyValueHeads) {
        int heads = 4;
        Tensor q = normal(1, 2, heads, 5, 6);
        Tensor k = normal(2, 2, keyValueHeads, 5, 6);
        Tensor v = normal(3, 2, keyValueHeads, 5, 6);
        Tensor causal = Attention.causalMask(5, 0, DType.FP32, Device.CPU);
        Tensor padded = Attention.paddedMask(Tensor.of(new long[] {0, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 2, 5), causal);
        for (Tensor mask : Arrays.asList(null, causal, padded)) {
            Gradients.assertClose(
                    attend(q, repeated(k, heads), repeated(v, heads), mask).toFloats(),
                    attend(q, k, v, mask).toFloats(),
                    Gradients.FP32,
                    "grouped heads");
        }
    }

    /** Each key head beside itself: head h of the result is head h / group. */
    private static Tensor repeated(Tensor x, int heads) {
        List<Tensor> all = new ArrayList<>();
        int group = heads / (int) x.size(1);
        for (int h = 0; h < heads; h++) {
            all.add(x.narrow(1, h / group, 1));
        }
        return Tensor.cat(all, 1);
    }

    @Test
    void probedPatternOfGroupedHeadsIsInHeadOrder() {
        Tensor q = normal(1, 2, 4, 5, 6);
        Tensor k = normal(2, 2, 2, 5, 6);
        Tensor v = normal(3, 2, 2, 5, 6);
        List<float[]> patterns = new ArrayList<>();
        for (boolean repeat : new boolean[] {false, true}) {
            Pass pass = Pass.evaluation().probe("s/attention_pattern", x -> {
                assertArrayEquals(new long[] {2, 4, 5, 5}, x.shape());
                patterns.add(x.toFloats());
                return x;
            });
            Attention.attend(q, repeat ? repeated(k, 4) : k, repeat ? repeated(v, 4) : v, null, SCALE, 0, pass, "s");
        }
        Gradients.assertClose(patterns.get(1), patterns.get(0), Gradients.FP32, "pattern");
    }

    @Test
    void maskHidesLaterKeysOnly() {
        float inf = Float.NEGATIVE_INFINITY;
        assertArrayEquals(
                new float[] {0, 0, 0, inf, inf, 0, 0, 0, 0, inf, 0, 0, 0, 0, 0},
                Attention.causalMask(3, 2, DType.FP32, Device.CPU).toFloats());
    }

    @Test
    void laterTokensChangeNoEarlierBit() {
        for (DType dtype : new DType[] {DType.FP32, DType.BF16}) {
            try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN.in(dtype), 1)) {
                int length = 12;
                int changed = 7;
                long[] ids = ToyModel.ids(5, length);
                long[] other = ids.clone();
                other[changed] = (other[changed] + 1) % ToyModel.VOCABULARY;
                Tensor a = logits(network, Tensor.of(ids, 1, length));
                Tensor b = logits(network, Tensor.of(other, 1, length));
                Gradients.assertSameBits(
                        a.narrow(1, 0, changed).toFloats(),
                        b.narrow(1, 0, changed).toFloats(),
                        "earlier");
                for (int t = changed; t < length; t++) {
                    assertFalse(a.select(1, t).equal(b.select(1, t)), "position " + t + " sees the change");
                }
            }
        }
    }

    private static Tensor logits(Network network, Tensor ids) {
        return network.infer(new Flow().put("input_ids", ids), Pass.evaluation())
                .get("logits");
    }

    @Test
    void cachedEqualsUncached() {
        for (ToyModel.Shape shape : List.of(ToyModel.Shape.PLAIN, ToyModel.Shape.PLAIN.withLearnedPositions())) {
            try (Network network = ToyModel.decoder(shape, 1)) {
                int length = 20;
                Tensor ids = Tensor.of(ToyModel.ids(5, 2 * length), 2, length);
                Tensor whole = logits(network, ids);
                try (KeyValueCache cache = new KeyValueCache()) {
                    Pass pass = Pass.evaluation().withCache(cache);
                    int[] cuts = {0, 5, 6, 7, 13, 20};
                    for (int i = 0; i + 1 < cuts.length; i++) {
                        assertEquals(cuts[i], cache.length());
                        Tensor part =
                                ids.narrow(1, cuts[i], cuts[i + 1] - cuts[i]).contiguous();
                        Tensor y = network.infer(new Flow().put("input_ids", part), pass)
                                .get("logits");
                        // Other matrix shapes sum in another order.
                        Gradients.assertClose(
                                whole.narrow(1, cuts[i], cuts[i + 1] - cuts[i]).toFloats(),
                                y.toFloats(),
                                5 * Gradients.FP32,
                                "logits from " + cuts[i]);
                    }
                }
            }
        }
    }

    @Test
    void cacheGrowsPastItsFirstCapacity() {
        try (KeyValueCache cache = new KeyValueCache()) {
            List<Tensor> keys = new ArrayList<>();
            KeyValueCache.KeysValues all = null;
            for (int i = 0; i < 150; i++) {
                keys.add(normal(i, 1, 2, 1, 3));
                all = cache.append(0, keys.get(i), keys.get(i).neg());
            }
            assertTrue(all.keys().equal(Tensor.cat(keys, 2)));
            assertTrue(all.values().neg().equal(Tensor.cat(keys, 2)));
            assertEquals(150, cache.length());
        }
    }

    @Test
    void leftPaddingChangesNothingForTheRealTokens() {
        for (ToyModel.Shape shape : List.of(ToyModel.Shape.PLAIN, ToyModel.Shape.PLAIN.withLearnedPositions())) {
            try (Network network = ToyModel.decoder(shape, 1)) {
                int length = 9;
                int padding = 4;
                long[] ids = ToyModel.ids(5, length);
                Tensor alone = logits(network, Tensor.of(ids, 1, length));
                long[] padded = new long[2 * (length + padding)];
                long[] mask = new long[padded.length];
                for (int i = 0; i < length; i++) {
                    padded[padding + i] = ids[i];
                    mask[padding + i] = 1;
                }
                long[] other = ToyModel.ids(6, length + padding);
                System.arraycopy(other, 0, padded, length + padding, other.length);
                Arrays.fill(mask, length + padding, mask.length, 1);
                Flow in = new Flow()
                        .put("input_ids", Tensor.of(padded, 2, length + padding))
                        .put("attention_mask", Tensor.of(mask, 2, length + padding));
                Tensor both = network.infer(in, Pass.evaluation()).get("logits");
                assertEquals(1, both.isFinite().to(DType.FP32).mean().item(), "padded rows stay finite");
                Gradients.assertClose(
                        alone.toFloats(),
                        both.narrow(0, 0, 1).narrow(1, padding, length).toFloats(),
                        5 * Gradients.FP32,
                        "padded row");
                Gradients.assertClose(
                        logits(network, Tensor.of(other, 1, other.length)).toFloats(),
                        both.narrow(0, 1, 1).toFloats(),
                        5 * Gradients.FP32,
                        "full row");
            }
        }
    }

    @Test
    void leftPaddingAndCacheTogether() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1);
                KeyValueCache cache = new KeyValueCache()) {
            int length = 8;
            int padding = 3;
            long[] ids = ToyModel.ids(5, length);
            Tensor alone = logits(network, Tensor.of(ids, 1, length));
            long[] padded = new long[length + padding];
            long[] mask = new long[length + padding];
            System.arraycopy(ids, 0, padded, padding, length);
            Arrays.fill(mask, padding, mask.length, 1);
            Pass pass = Pass.evaluation().withCache(cache);
            int prompt = padding + 4;
            for (int to = prompt; to <= padded.length; to++) {
                int from = to == prompt ? 0 : to - 1;
                Flow in = new Flow()
                        .put("input_ids", Tensor.of(Arrays.copyOfRange(padded, from, to), 1, to - from))
                        .put("attention_mask", Tensor.of(Arrays.copyOf(mask, to), 1, to));
                Tensor y = network.infer(in, pass).get("logits");
                Gradients.assertClose(
                        alone.narrow(1, to - padding - 1, 1).toFloats(),
                        y.narrow(1, to - from - 1, 1).toFloats(),
                        5 * Gradients.FP32,
                        "last of " + to);
            }
        }
    }

    @Test
    void gradientsUnderPaddingAreFiniteAndEqualTheUnpaddedOnes() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            int length = 7;
            int padding = 3;
            Flow alone = ToyModel.batch(4, 1, length);
            var expected = Gradients.segmentWise(network, alone, Pass.training(0), Gradients.seedLoss());
            long[] ids = new long[length + padding];
            long[] targets = new long[length + padding];
            float[] weights = new float[length + padding];
            long[] mask = new long[length + padding];
            System.arraycopy(alone.get("input_ids").toLongs(), 0, ids, padding, length);
            Arrays.fill(targets, -100);
            System.arraycopy(alone.get("targets").toLongs(), 0, targets, padding, length);
            System.arraycopy(alone.get("weights").toFloats(), 0, weights, padding, length);
            Arrays.fill(mask, padding, mask.length, 1);
            Flow padded = new Flow()
                    .put("input_ids", Tensor.of(ids, 1, ids.length))
                    .put("targets", Tensor.of(targets, 1, ids.length))
                    .put("weights", Tensor.of(weights, 1, ids.length))
                    .put("attention_mask", Tensor.of(mask, 1, ids.length));
            Gradients.assertClose(
                    expected,
                    Gradients.segmentWise(network, padded, Pass.training(0), Gradients.seedLoss()),
                    5 * Gradients.FP32);
        }
    }

    @Test
    void rotaryScoresDependOnDistanceAlone() {
        int half = 4;
        Tensor q = normal(1, 1, 1, 1, 2 * half);
        Tensor k = normal(2, 1, 1, 1, 2 * half);
        double near = score(q, k, 3, 1);
        // Angles up to 103 radians in fp32: their rounding, 4e-6, is the error of the score.
        assertEquals(near, score(q, k, 43, 41), 2e-5);
        assertEquals(near, score(q, k, 103, 101), 2e-5);
        assertTrue(Math.abs(near - score(q, k, 3, 2)) > 1e-3, "another distance gives another score");
        assertTrue(Math.abs(near - score(q, k, 1, 3)) > 1e-3, "the direction matters");
        Tensor turned = rotated(q, 17);
        assertEquals(q.square().sum().item(), turned.square().sum().item(), 1e-5, "lengths stay");
        assertTrue(rotated(q, 0).equal(q), "position 0 turns nothing");
    }

    private static Tensor rotated(Tensor x, long position) {
        Rotary.CosSin a = Rotary.angles(
                Tensor.of(new long[] {position}, 1), ToyModel.inverseFrequencies((int) x.size(-1) / 2), 1);
        return Rotary.rotate(x, a.cos(), a.sin());
    }

    private static double score(Tensor q, Tensor k, long at, long of) {
        return rotated(q, at).mul(rotated(k, of)).sum().item();
    }
}
