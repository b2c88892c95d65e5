package quern.data.internal;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import quern.data.Tales;

/** Pronouns agree with the people they stand for. */
class TalePronounsTest {
    @Test
    void amongGirlsNobodyIsHeAndAmongBoysNobodyIsShe() {
        check(TaleWords.GIRLS, TaleWords.BOYS, "he|him|his|boy");
        check(TaleWords.BOYS, TaleWords.GIRLS, "she|her|girl");
    }

    private static void check(List<String> present, List<String> absent, String wrong) {
        Pattern pattern = Pattern.compile("\\b(" + wrong + ")\\b", Pattern.CASE_INSENSITIVE);
        int checked = 0;
        for (int i = 0; i < 2000; i++) {
            String tale = new Tales(7).tale(i);
            Set<String> words = new HashSet<>(List.of(tale.split("[^A-Za-z]+")));
            boolean two = present.stream().filter(words::contains).count() == 2;
            if (two && absent.stream().noneMatch(words::contains)) {
                checked++;
                assertFalse(pattern.matcher(tale).find(), tale);
            }
        }
        assertTrue(checked > 100, checked + " tales looked at");
    }
}
