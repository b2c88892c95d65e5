package quern.recipe;

import java.util.Collection;
import java.util.Locale;
import java.util.Optional;

/** Finds the name that a misspelt one was probably meant to be. */
public final class Suggestion {
    /** Longer words are nobody's key, and the distance takes time proportional to the product of the lengths. */
    private static final int LONGEST = 80;

    private static final int SHORTEST_STEM = 3;

    private Suggestion() {}

    /**
     * The known name nearest to {@code word}, ignoring case and the difference between {@code -} and {@code _}. Near
     * means a Damerau-Levenshtein distance (with adjacent transpositions) of at most a third of the word's length, and
     * at least 1; failing that, the longest name that is the word's first part, or has the word as its own first part.
     * Ties go to the name that sorts first.
     */
    public static Optional<String> nearest(String word, Collection<String> known) {
        String query = normal(word);
        if (query.isEmpty() || query.length() > LONGEST) {
            return Optional.empty();
        }
        int cutoff = Math.max(1, query.length() / 3);
        String best = null;
        int bestDistance = Integer.MAX_VALUE;
        for (String name : known) {
            String candidate = normal(name);
            if (candidate.length() > LONGEST || Math.abs(candidate.length() - query.length()) > cutoff) {
                continue;
            }
            int distance = distance(query, candidate);
            // A one-letter name is not near another one-letter name: nothing of it is left.
            if (distance > cutoff || distance >= candidate.length()) {
                continue;
            }
            if (distance < bestDistance || (distance == bestDistance && name.compareTo(best) < 0)) {
                best = name;
                bestDistance = distance;
            }
        }
        return best != null ? Optional.of(best) : byStem(query, known);
    }

    private static Optional<String> byStem(String query, Collection<String> known) {
        String best = null;
        for (String name : known) {
            String candidate = normal(name);
            int stem = Math.min(candidate.length(), query.length());
            if (stem < SHORTEST_STEM || !(candidate.startsWith(query) || query.startsWith(candidate))) {
                continue;
            }
            if (best == null
                    || name.length() > best.length()
                    || (name.length() == best.length() && name.compareTo(best) < 0)) {
                best = name;
            }
        }
        return Optional.ofNullable(best);
    }

    private static String normal(String word) {
        return word.toLowerCase(Locale.ROOT).replace('-', '_');
    }

    /** Insertions, deletions, substitutions and swaps of neighbours (no substring is edited twice). */
    static int distance(String a, String b) {
        int[] beforeLast = new int[b.length() + 1];
        int[] last = new int[b.length() + 1];
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            last[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int change = a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1;
                row[j] = Math.min(Math.min(last[j] + 1, row[j - 1] + 1), last[j - 1] + change);
                if (i > 1 && j > 1 && a.charAt(i - 1) == b.charAt(j - 2) && a.charAt(i - 2) == b.charAt(j - 1)) {
                    row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
                }
            }
            int[] free = beforeLast;
            beforeLast = last;
            last = row;
            row = free;
        }
        return last[b.length()];
    }
}
