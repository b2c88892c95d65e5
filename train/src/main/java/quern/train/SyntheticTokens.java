package quern.train;

import java.util.Arrays;
import quern.data.Batch;

/**
 * The fixed stream of tokens that benchmarks train and generate on; {@code bench/python/step_time.py} says the rule and makes
 * the same, token for token. Small ids are frequent, so that the loss falls.
 */
final class SyntheticTokens {
    private final int vocabulary;
    private long state;

    SyntheticTokens(int vocabulary, long seed) {
        this.vocabulary = vocabulary;
        this.state = seed;
    }

    int next() {
        state = 6364136223846793005L * state + 1442695040888963407L;
        double u = (state >>> 11) * 0x1p-53;
        return (int) Math.pow(vocabulary, u) - 1;
    }

    /** The next rows of {@code length} + 1 tokens, labels one behind inputs. */
    Batch batch(int rows, int length) {
        int[] inputs = new int[rows * length];
        int[] labels = new int[inputs.length];
        for (int row = 0; row < rows; row++) {
            int before = next();
            for (int i = 0; i < length; i++) {
                int next = next();
                inputs[row * length + i] = before;
                labels[row * length + i] = next;
                before = next;
            }
        }
        int[] lengths = new int[rows];
        Arrays.fill(lengths, length);
        return new Batch(rows, length, inputs, labels, lengths);
    }
}
