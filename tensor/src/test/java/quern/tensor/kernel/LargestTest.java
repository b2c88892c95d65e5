package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Against a look at each element. */
@Tag("each-path")
class LargestTest {
    private static int slow(float[] x, int from, int n) {
        int most = 0;
        for (int i = 1; i < n; i++) {
            float best = x[from + most];
            float here = x[from + i];
            if (here > best || Float.isNaN(here) && !Float.isNaN(best)) {
                most = i;
            }
        }
        return most;
    }

    @Test
    void findsTheFirstOfTheLargest() {
        Random random = new Random(3);
        for (int n = 1; n < 100; n++) {
            for (int values : new int[] {2, 5, 1000}) {
                float[] x = new float[n + 7];
                for (int i = 0; i < x.length; i++) {
                    x[i] = random.nextInt(values) - values;
                }
                assertEquals(slow(x, 3, n), Largest.first(x, 3, n));
                x[3 + random.nextInt(n)] = Float.NaN;
                assertEquals(slow(x, 3, n), Largest.first(x, 3, n));
                x[3 + random.nextInt(n)] = Float.NaN;
                assertEquals(slow(x, 3, n), Largest.first(x, 3, n));
            }
        }
    }

    @Test
    void infinitiesAndZerosOfBothSigns() {
        float[] x = new float[40];
        Arrays.fill(x, Float.NEGATIVE_INFINITY);
        assertEquals(0, Largest.first(x, 0, 40));
        x[20] = -0f;
        x[30] = 0f;
        assertEquals(20, Largest.first(x, 0, 40));
        x[37] = Float.POSITIVE_INFINITY;
        assertEquals(37, Largest.first(x, 0, 40));
    }
}
