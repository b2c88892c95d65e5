package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LowerChars;
import net.jqwik.api.constraints.StringLength;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The nearest known name. */
class SuggestionTest {
    private static final List<String> KNOWN =
            List.of("learning_rate", "max_steps", "save_steps", "eval_steps", "seed", "r", "adamw", "sgd");

    @ParameterizedTest
    @CsvSource({
        "lerning_rate, learning_rate",
        "learning-rate, learning_rate",
        "Learning_Rate, learning_rate",
        "laerning_rate, learning_rate",
        "maxsteps, max_steps",
        "sed, seed",
        "adamw_torch, adamw",
        "learning, learning_rate",
    })
    void findsTheNearest(String word, String expected) {
        assertEquals(Optional.of(expected), Suggestion.nearest(word, KNOWN));
    }

    @ParameterizedTest
    @CsvSource({"xyzzy", "q", "quantisation", "''"})
    void findsNothingFar(String word) {
        assertEquals(Optional.empty(), Suggestion.nearest(word, KNOWN));
    }

    @Test
    void tiesGoToTheNameThatSortsFirst() {
        assertEquals(Optional.of("bat"), Suggestion.nearest("xat", List.of("cat", "bat")));
    }

    @Test
    void aVeryLongWordIsNobodysKey() {
        assertEquals(Optional.empty(), Suggestion.nearest("seed".repeat(1_000_000), KNOWN));
    }

    @ParameterizedTest
    @CsvSource({"'', abc, 3", "abc, abc, 0", "ab, ba, 1", "kitten, sitting, 3", "ca, abc, 3"})
    void distanceCountsEdits(String a, String b, int expected) {
        assertEquals(expected, Suggestion.distance(a, b));
    }

    @Property
    void distanceIsSymmetricAndBounded(
            @ForAll @LowerChars @StringLength(max = 12) String a,
            @ForAll @LowerChars @StringLength(max = 12) String b) {
        int distance = Suggestion.distance(a, b);
        assertEquals(distance, Suggestion.distance(b, a));
        assertEquals(distance == 0, a.equals(b));
        assertTrue(distance >= Math.abs(a.length() - b.length()));
        assertTrue(distance <= Math.max(a.length(), b.length()));
    }
}
