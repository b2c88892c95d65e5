package quern.data.dedup;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import quern.data.corpus.Deduplication;
import quern.data.corpus.Verdict;
import quern.recipe.QuernException;

class ExactDedupTest extends DeduplicationContract {
    @Override
    Deduplication technique() {
        return new ExactDedup();
    }

    @Test
    void dropsWhatAMapOfAllTextsFinds() {
        MemoryCorpus corpus = repeating();
        Map<String, Integer> first = new HashMap<>();
        List<Integer> expected = new java.util.ArrayList<>();
        for (int i = 0; i < corpus.size(); i++) {
            if (first.putIfAbsent(corpus.document(i).text(), i) != null) {
                expected.add(i);
            }
        }
        MemoryCorpus.Outcome outcome = outcome(corpus, "{}");
        assertEquals(expected, outcome.dropped());
        int some = expected.getFirst();
        assertEquals(
                Verdict.drop(
                        "exact_dedup", "as d" + first.get(corpus.document(some).text())),
                outcome.verdicts().get(some));
    }

    @Test
    void eachSettingFoldsWhatItNames() {
        String[] texts = {"A b", "a b", "A, b!", " A \n b ", "Ａ b", "a c"};
        Map<String, List<Integer>> expected = Map.of(
                "{}", List.of(),
                "lowercase: true", List.of(1),
                "strip_punctuation: true", List.of(2),
                "collapse_whitespace: true", List.of(3),
                "unicode: nfkc", List.of(4),
                "{lowercase: true, strip_punctuation: true, collapse_whitespace: true, unicode: nfkc}",
                        List.of(1, 2, 3, 4));
        expected.forEach((yaml, dropped) ->
                assertEquals(dropped, outcome(MemoryCorpus.of(texts), yaml).dropped(), yaml));
    }

    @Test
    void theLongestStaysWhereThatIsAsked() {
        MemoryCorpus corpus = MemoryCorpus.of("a b", "a  b", "a   b", "a \n b");
        assertEquals(
                List.of(1, 2, 3), outcome(corpus, "collapse_whitespace: true").dropped());
        assertEquals(
                List.of(0, 1, 3),
                outcome(corpus, "{collapse_whitespace: true, keep: longest}").dropped());
    }

    @Test
    void linesThatStoodBeforeAreTakenOut() {
        MemoryCorpus corpus = MemoryCorpus.of(
                "Home | About\nOne story.\n\nThe end.",
                "Home | About\r\nAnother.\n\nThe end.\n",
                "Home | About\n\nThe end.");
        MemoryCorpus.Outcome outcome = outcome(corpus, "unit: lines");
        assertEquals(Verdict.KEEP, outcome.verdicts().get(0));
        Verdict.Replace replaced = (Verdict.Replace) outcome.verdicts().get(1);
        assertEquals("Another.\n\n", replaced.document().text());
        assertEquals(Map.of("lines", 2L), replaced.changes());
        assertEquals(
                Verdict.drop("exact_dedup", "all of 2 lines were there before"),
                outcome.verdicts().get(2));
        assertEquals(Map.of("lines_compared", 8L, "lines_removed", 4L), outcome.totals());
        MemoryCorpus.Outcome longer = outcome(corpus, "{unit: lines, min_line_length: 9}");
        assertEquals(
                "Another.\n\nThe end.\n",
                ((Verdict.Replace) longer.verdicts().get(1)).document().text());
    }

    @Test
    void linesLeftAreThoseThatASetFinds() {
        MemoryCorpus corpus = repeating();
        MemoryCorpus.Outcome outcome =
                corpus.judgedBy(technique(), config("unit: lines"), scratch, 3, MemoryCorpus.SCARCE);
        Set<String> seen = new HashSet<>();
        int dropped = 0;
        for (int i = 0; i < corpus.size(); i++) {
            StringBuilder rest = new StringBuilder();
            for (String line : corpus.document(i).text().split("(?<=\n)")) {
                String content = line.strip();
                if (content.isEmpty() || seen.add(line.endsWith("\n") ? line.substring(0, line.length() - 1) : line)) {
                    rest.append(line);
                }
            }
            String found = switch (outcome.verdicts().get(i)) {
                case Verdict.Keep keep -> corpus.document(i).text();
                case Verdict.Drop drop -> "";
                case Verdict.Replace replace -> replace.document().text();
            };
            dropped += found.isEmpty() ? 1 : 0;
            assertEquals(rest.toString(), found, "document " + i);
        }
        assertTrue(dropped > 400, "whole documents that were there before: " + dropped);
    }

    @Test
    void settingsWithoutEffectAreRefused() {
        for (String yaml : List.of("keep: longest", "min_line_length: 3", "{unit: lines, keep: longest}")) {
            assertThrows(QuernException.class, () -> config(yaml), yaml);
        }
    }
}
