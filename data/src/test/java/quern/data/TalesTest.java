package quern.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** The generated corpus is the same for a seed, varied, and well formed. */
class TalesTest {
    private static final int SAMPLE = 3000;

    @Test
    void aSeedGivesTheSameTales() {
        assertEquals(new Tales(1).text(100_000), new Tales(1).text(100_000));
        assertNotEquals(new Tales(1).tale(0), new Tales(2).tale(0));
        assertTrue(new Tales(1).text(100_000).startsWith(new Tales(1).tale(0) + new Tales(1).tale(1)));
    }

    @Test
    void theSizeIsReachedByWholeTales() {
        String text = new Tales(4).text(50_000);
        assertTrue(text.length() >= 50_000 && text.length() < 55_000, "length " + text.length());
        assertTrue(text.endsWith("\n\n"));
    }

    @Test
    void everyTaleIsWellFormed() {
        Pattern doubled = Pattern.compile("[{}]|  | [.,!?]|\\.\\.|\\b(a [aeio]|an (?!hour)[^aeiou])|\\bthe the\\b");
        for (int i = 0; i < SAMPLE; i++) {
            String tale = new Tales(1).tale(i);
            assertTrue(tale.endsWith("\n\n") && !tale.endsWith("\n\n\n"), tale);
            assertFalse(doubled.matcher(tale).find(), tale);
            assertEquals(0, tale.chars().filter(c -> c == '"').count() % 2, tale);
            for (String sentence : tale.strip().split("(?<=[.!?])\\s+(?=[^a-z])")) {
                assertFalse(Character.isLowerCase(sentence.charAt(0)), sentence);
            }
        }
    }

    @Test
    void talesAreVaried() {
        Set<String> tales = new HashSet<>();
        LongStream.range(0, SAMPLE).forEach(i -> tales.add(new Tales(1).tale(i)));
        assertEquals(SAMPLE, tales.size(), "a tale came twice");
        Set<String> words = new HashSet<>(Arrays.asList(
                new Tales(1).text(1_000_000).toLowerCase(java.util.Locale.ROOT).split("[^a-z]+")));
        assertTrue(words.size() > 700, words.size() + " distinct words");
    }
}
