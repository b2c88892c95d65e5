package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.recipe.QuernException;

/** Rows go on where they ended, every target comes once, and texts begin with a reset. */
class LanesTest {
    private static TokenStream counting(int size, long... documentStarts) {
        int[] tokens = new int[size];
        Arrays.setAll(tokens, i -> i);
        return TokenStream.of("counting", tokens, documentStarts, size, Math.max(1, size));
    }

    private static int[] resets(Batch batch) {
        return ((Batch.Values.Ints) batch.others().get(Lanes.RESET)).values();
    }

    @ParameterizedTest
    @CsvSource({"101,5,4", "100,7,3", "4,8,3", "33,8,4", "1000,16,1"})
    void aStreamIsReadOnceInLanesThatGoOn(int size, int length, int rows) {
        Lanes lanes = Lanes.ofStream(counting(size, 0), length, rows);
        int[] seen = new int[size];
        int[] next = new int[rows];
        Arrays.fill(next, -1);
        for (long b = 0; b < lanes.batchesPerEpoch(); b++) {
            Batch batch = lanes.batch(b);
            assertEquals(rows, batch.rows());
            assertEquals(length, batch.columns());
            for (int row = 0; row < rows; row++) {
                assertTrue(b > 0 || resets(batch)[row] == 1, "an epoch begins anew");
                assertTrue(b == 0 || resets(batch)[row] == 0 || batch.lengths()[row] == 0);
                for (int i = 0; i < length; i++) {
                    int id = batch.inputIds()[row * length + i];
                    int label = batch.labels()[row * length + i];
                    if (i >= batch.lengths()[row]) {
                        assertEquals(Batch.NOT_COUNTED, label);
                        continue;
                    }
                    assertEquals(id + 1, label);
                    assertTrue(next[row] < 0 || next[row] == id, "row " + row + " goes on");
                    next[row] = label;
                    seen[label]++;
                }
            }
        }
        int[] once = new int[size];
        Arrays.fill(once, 1);
        once[0] = 0;
        assertArrayEquals(once, seen);
        assertArrayEquals(
                lanes.batch(0).inputIds(), lanes.batch(lanes.batchesPerEpoch()).inputIds(), "the next epoch");
    }

    @Test
    void documentsAreReadOnceEachFromAReset() {
        long[] starts = {0, 7, 8, 30, 33, 60, 61};
        int size = 75;
        int length = 5;
        Lanes lanes = Lanes.ofDocuments(counting(size, starts), length, 3, 4);
        List<Integer> begun = new ArrayList<>();
        int[] seen = new int[size];
        int[] next = new int[3];
        for (long b = 0; b < lanes.batchesPerEpoch(); b++) {
            Batch batch = lanes.batch(b);
            for (int row = 0; row < 3; row++) {
                if (batch.lengths()[row] == 0) {
                    assertEquals(1, resets(batch)[row], "a lane that ended forgets");
                    continue;
                }
                int first = batch.inputIds()[row * length];
                boolean starting = Arrays.binarySearch(starts, first) >= 0;
                assertEquals(starting ? 1 : 0, resets(batch)[row], "token " + first);
                if (starting) {
                    begun.add(first);
                } else {
                    assertEquals(next[row], first);
                }
                for (int i = 0; i < batch.lengths()[row]; i++) {
                    next[row] = batch.labels()[row * length + i];
                    assertEquals(batch.inputIds()[row * length + i] + 1, next[row]);
                    seen[next[row]]++;
                }
            }
        }
        // Documents of one token have nothing to predict.
        assertEquals(List.of(0, 8, 30, 33, 61), begun.stream().sorted().toList());
        for (int token = 0; token < size; token++) {
            assertEquals(Arrays.binarySearch(starts, token) >= 0 ? 0 : 1, seen[token], "token " + token);
        }
        assertTrue(lanes.batchesPerEpoch() <= 6, "lanes are of nearly the same length: " + lanes.batchesPerEpoch());
    }

    @Test
    void textsThatAreTooShortAreRefused() {
        assertThrows(QuernException.class, () -> Lanes.ofStream(counting(4, 0), 8, 4));
        assertThrows(QuernException.class, () -> Lanes.ofDocuments(counting(2, 0, 1), 8, 1, 1));
    }
}
