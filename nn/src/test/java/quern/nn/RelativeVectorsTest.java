package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/** Attention with vectors by distance and with sinks, against sums over numbers. */
class RelativeVectorsTest extends ScopedTest {
    /** Of sums of some dozen products in fp32, against double precision: measured below 1e-6. */
    private static final double TOLERANCE = 5e-6;

    private static final int HEADS = 4;
    private static final int GROUPS = 2;
    private static final int WIDTH = 3;
    private static final int CLIP = 2;
    private static final double SCALE = 0.4;

    private static Tensor numbers(long seed, long... shape) {
        return Tensor.randn(new RandomStream(seed), shape);
    }

    private static double at(Tensor x, int... index) {
        Tensor y = x;
        for (int i : index) {
            y = y.select(0, i);
        }
        return y.item();
    }

    /** {@code t} queries, the last of {@code s} positions, of two texts. */
    private static void check(int t, int s, boolean relative, boolean sinks, double cap) {
        Tensor q = numbers(1, 2, HEADS, t, WIDTH);
        Tensor k = numbers(2, 2, GROUPS, s, WIDTH);
        Tensor v = numbers(3, 2, GROUPS, s, WIDTH);
        Parameter keys = new Parameter("keys", numbers(4, 2 * CLIP + 1, WIDTH));
        Parameter values = new Parameter("values", numbers(5, 2 * CLIP + 1, WIDTH));
        Parameter logits = new Parameter("sinks", numbers(6, HEADS));
        Attention.Scores how = new Attention.Scores(
                SCALE, cap, sinks ? logits : null, relative ? new RelativeVectors(keys, values) : null);
        Tensor y = Attention.attend(
                q, k, v, Attention.causalMask(t, s - t, q.dtype(), q.device()), how, 0, Pass.evaluation(), "x", "");
        for (int b = 0; b < 2; b++) {
            for (int h = 0; h < HEADS; h++) {
                int g = h / (HEADS / GROUPS);
                for (int i = 0; i < t; i++) {
                    int position = s - t + i;
                    double[] weight = new double[position + 1];
                    double total = sinks ? Math.exp(at(logits.value(), h)) : 0;
                    for (int j = 0; j <= position; j++) {
                        int row = Math.clamp(j - position, -CLIP, CLIP) + CLIP;
                        double score = 0;
                        for (int n = 0; n < WIDTH; n++) {
                            score += at(q, b, h, i, n)
                                    * (at(k, b, g, j, n) + (relative ? at(keys.value(), row, n) : 0))
                                    * SCALE;
                        }
                        weight[j] = Math.exp(cap > 0 ? cap * Math.tanh(score / cap) : score);
                        total += weight[j];
                    }
                    for (int n = 0; n < WIDTH; n++) {
                        double expected = 0;
                        for (int j = 0; j <= position; j++) {
                            int row = Math.clamp(j - position, -CLIP, CLIP) + CLIP;
                            expected += weight[j]
                                    / total
                                    * (at(v, b, g, j, n) + (relative ? at(values.value(), row, n) : 0));
                        }
                        assertEquals(expected, at(y, b, i, h * WIDTH + n), TOLERANCE);
                    }
                }
            }
        }
        keys.close();
        values.close();
        logits.close();
    }

    @Test
    void vectorsByDistanceAreAddedToKeysAndValues() {
        check(6, 6, true, false, 0);
        check(2, 7, true, false, 0);
        check(1, 5, true, false, 1.5);
    }

    @Test
    void sinksTakeAShareOfThePattern() {
        check(5, 5, false, true, 0);
        check(2, 6, true, true, 1.5);
    }

    @Test
    void tablesHaveARowADistance() {
        Parameter even = new Parameter("even", numbers(1, 4, WIDTH));
        Parameter odd = new Parameter("odd", numbers(1, 5, WIDTH));
        assertThrows(IllegalArgumentException.class, () -> new RelativeVectors(even, even));
        assertThrows(IllegalArgumentException.class, () -> new RelativeVectors(odd, even));
        even.close();
        odd.close();
    }
}
