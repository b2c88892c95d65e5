package quern.tensor.kernel;

import java.util.Arrays;

/**
 * How tokens that lie one behind another make sequences. A sequence may go on from an earlier one: then its tokens see that
 * one's, and what that one goes on from, before their own, so that several share a beginning that is computed once.
 *
 * @param starts where each sequence starts, ascending from 0, and behind them the number of tokens
 * @param before for each sequence the earlier one that it goes on from, -1 where it begins anew; null where all do
 */
public record Sequences(int[] starts, int[] before) {
    /** Checks that each goes on from an earlier one. */
    public Sequences {
        if (before != null && before.length != starts.length - 1) {
            throw new IllegalArgumentException(
                    "%d sequences, but %d of them are said to go on".formatted(starts.length - 1, before.length));
        }
        for (int i = 0; before != null && i < before.length; i++) {
            if (before[i] < -1 || before[i] >= i) {
                throw new IllegalArgumentException(
                        "sequence %d goes on from %d; expected an earlier one, or -1".formatted(i, before[i]));
            }
        }
    }

    /** So many sequences of one length. */
    public static Sequences of(int count, int length) {
        int[] starts = new int[count + 1];
        Arrays.setAll(starts, i -> i * length);
        return new Sequences(starts, null);
    }

    /** How many there are. */
    public int count() {
        return starts.length - 1;
    }

    /** The tokens of all. */
    public int tokens() {
        return starts[count()];
    }

    /** A sequence's own tokens. */
    public int length(int sequence) {
        return starts[sequence + 1] - starts[sequence];
    }

    /** Whether one goes on from another. */
    public boolean areBranched() {
        return before != null && Arrays.stream(before).anyMatch(i -> i >= 0);
    }

    /** The sequence that one goes on from, or -1. */
    public int before(int sequence) {
        return before == null ? -1 : before[sequence];
    }

    /** The tokens that a sequence's first one sees before itself. */
    public int past(int sequence) {
        int past = 0;
        for (int i = before(sequence); i >= 0; i = before(i)) {
            past += length(i);
        }
        return past;
    }

    /** The most tokens that one sees, its own and those before. */
    public int longest() {
        int longest = 0;
        for (int i = 0; i < count(); i++) {
            longest = Math.max(longest, past(i) + length(i));
        }
        return longest;
    }
}
