package quern.data.augment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.Tales;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Verdict;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;

class AugmentationTest {
    /** Of a share drawn n times: four standard deviations, which chance passes once in 16,000 times. */
    private static double tolerance(double share, long n) {
        return 4 * Math.sqrt(share * (1 - share) / n);
    }

    private static final String TEXT = text();

    @TempDir
    private Path folder;

    private static String text() {
        StringBuilder all = new StringBuilder();
        new Tales(3).iterator(60_000).forEachRemaining(all::append);
        return all.toString();
    }

    private static Augmentation.Rewriting rewriting(Augmentation technique, Map<String, Object> settings) {
        Block block = Block.empty(Position.of("augment"));
        for (Map.Entry<String, Object> setting : settings.entrySet()) {
            block = block.with(setting.getKey(), setting.getValue());
        }
        return technique.rewriting(block.bind(technique.config()));
    }

    private static List<String> words(String text) {
        return WordText.of(text).words;
    }

    @Test
    void everyOneIsAFunctionOfTextAndKeyAndTheKeyMatters() {
        for (Augmentation technique : List.of(
                new CharacterNoise(),
                new TokenNoise(),
                new SwapNoise(),
                new DropNoise(),
                new Synonym(),
                new Paraphrase(),
                new BackTranslation())) {
            Augmentation.Rewriting rewriting = rewriting(technique, Map.of("share", 0.2));
            Augmentation.Change one = rewriting.apply(TEXT, 1);
            assertEquals(one, rewriting.apply(TEXT, 1), technique.id());
            assertNotEquals(one.text(), rewriting.apply(TEXT, 2).text(), technique.id());
            assertNotEquals(one.text(), TEXT, technique.id());
            assertTrue(one.changed() > 0 && one.changed() < one.units(), technique.id() + " " + one.changed());
            for (String hard : List.of("x", " ", "\n\n", "?!", "e\u0301", "\ud83d\ude00 a", "ab", "A B")) {
                for (long key = 0; key < 50; key++) {
                    assertFalse(rewriting.apply(hard, key).text().isEmpty(), technique.id());
                }
            }
        }
    }

    @Test
    void charactersChangeAsOftenAsTheirShareSays() {
        Augmentation.Change change = rewriting(
                        new CharacterNoise(), Map.of("share", 0.1, "operations", List.of("substitute")))
                .apply(TEXT, 5);
        assertEquals(TEXT.length(), change.text().length());
        assertEquals(0.1, (double) change.changed() / change.units(), tolerance(0.1, change.units()));
        Set<Integer> before = new TreeSet<>(TEXT.chars().boxed().toList());
        assertTrue(before.containsAll(change.text().chars().boxed().toList()), "no new character");
        Augmentation.Change shorter = rewriting(
                        new CharacterNoise(), Map.of("share", 0.1, "operations", List.of("delete")))
                .apply(TEXT, 5);
        assertEquals(TEXT.length() - shorter.changed(), shorter.text().length());
        Augmentation.Change longer = rewriting(
                        new CharacterNoise(), Map.of("share", 0.1, "operations", List.of("insert")))
                .apply(TEXT, 5);
        assertEquals(TEXT.length() + longer.changed(), longer.text().length());
        String transposed = rewriting(new CharacterNoise(), Map.of("share", 0.1, "operations", List.of("transpose")))
                .apply(TEXT, 5)
                .text();
        char[] sorted = transposed.toCharArray();
        char[] plain = TEXT.toCharArray();
        Arrays.sort(sorted);
        Arrays.sort(plain);
        assertEquals(new String(plain), new String(sorted), "the same characters in another order");
    }

    @Test
    void wordsAreDroppedReplacedAndSwapped() {
        int count = words(TEXT).size();
        Augmentation.Change dropped =
                rewriting(new DropNoise(), Map.of("share", 0.3)).apply(TEXT, 9);
        assertEquals(count - dropped.changed(), words(dropped.text()).size());
        assertEquals(0.3, (double) dropped.changed() / count, tolerance(0.3, count));
        assertEquals(
                1,
                words(rewriting(new DropNoise(), Map.of("share", 1.0))
                                .apply(TEXT, 9)
                                .text())
                        .size());

        Augmentation.Change swapped =
                rewriting(new SwapNoise(), Map.of("share", 0.2)).apply(TEXT, 9);
        List<String> before = new ArrayList<>(words(TEXT));
        List<String> after = new ArrayList<>(words(swapped.text()));
        long moved = 0;
        for (int i = 0; i < count; i++) {
            moved += before.get(i).equals(after.get(i)) ? 0 : 1;
        }
        assertEquals(moved, swapped.changed());
        // Swaps of equal words, and words that are moved twice, leave fewer changed than were asked for.
        assertTrue(moved > 0.15 * count && moved <= 0.2 * count + 1, moved + " of " + count);
        before.sort(null);
        after.sort(null);
        assertEquals(before, after);

        Augmentation.Change blanked = rewriting(new TokenNoise(), Map.of("share", 0.25, "blank", "BLANK"))
                .apply(TEXT, 9);
        long blanks = words(blanked.text()).stream().filter("BLANK"::equals).count();
        assertEquals(blanks, blanked.changed());
        assertEquals(0.25, (double) blanks / count, tolerance(0.25, count));
        Augmentation.Change drawn =
                rewriting(new TokenNoise(), Map.of("share", 0.25)).apply(TEXT, 9);
        assertTrue(new TreeSet<>(words(TEXT)).containsAll(words(drawn.text())), "only words of the document");
    }

    @Test
    void synonymsComeFromTheTableInTheCaseOfTheWord() throws IOException {
        Path table = folder.resolve("table.txt");
        Files.writeString(table, "# two lines\nred, crimson\nin a hurry, hastily\n");
        Augmentation.Rewriting all = rewriting(new Synonym(), Map.of("share", 1.0, "table", table.toString()));
        assertEquals(
                new Augmentation.Change("Crimson, CRIMSON and crimson; reds left hastily.", 9, 6),
                all.apply("Red, RED and red; reds left in a hurry.", 1));
        assertEquals("in  a hurry", all.apply("in  a hurry", 1).text(), "words of a phrase are one space apart");
        Augmentation.Rewriting some = rewriting(new Synonym(), Map.of("share", 0.4));
        String bigs = "big ".repeat(5000);
        Augmentation.Change change = some.apply(bigs, 3);
        assertEquals(0.4, change.changed() / 5000.0, tolerance(0.4, 5000));
        assertEquals(bigs.replace("big", "large"), change.text().replace("big", "large"));

        Path words = folder.resolve("words.txt");
        Files.writeString(words, "boat\tBoot, Schiff\nship\tSchiff\ncat\tKatze\n");
        Augmentation.Rewriting back = rewriting(new BackTranslation(), Map.of("share", 1.0, "table", words.toString()));
        assertEquals(
                "A ship, a boat and a cat.",
                back.apply("A boat, a ship and a cat.", 1).text());
    }

    @Test
    void unfitTablesAndSettingsAreRefused() throws IOException {
        Path table = folder.resolve("bad.txt");
        Files.writeString(table, "red\n");
        refused("bad.txt, line 1: one phrase alone", new Synonym(), Map.of("table", table.toString()));
        Files.writeString(table, "red,,blue\n");
        refused("bad.txt, line 1: an empty phrase", new Paraphrase(), Map.of("table", table.toString()));
        Files.writeString(table, "red rot\n");
        refused("bad.txt, line 1: 0 tabs", new BackTranslation(), Map.of("table", table.toString()));
        Files.writeString(table, "");
        refused("no phrase in it", new Synonym(), Map.of("table", table.toString()));
        Files.write(table, new byte[] {(byte) 0xff, (byte) 0xfe, 0, 1});
        refused("not UTF-8", new Synonym(), Map.of("table", table.toString()));
        refused(
                "can not be read",
                new Synonym(),
                Map.of("table", folder.resolve("none").toString()));
        refused("share", new DropNoise(), Map.of("share", 0));
        refused("operations: empty", new CharacterNoise(), Map.of("operations", List.of()));
        refused("blank: empty", new TokenNoise(), Map.of("blank", ""));
        refused("models: 1 folders; expected 2", new BackTranslation(), Map.of("models", List.of("there")));
        refused("both given", new Paraphrase(), Map.of("models", List.of("m"), "table", "t"));
        refused("passages: empty", new ScientificMarkup(), Map.of("passages", List.of()));
        refused("forms: empty", new StructuredText(), Map.of("forms", List.of()));
    }

    private static void refused(String part, Augmentation technique, Map<String, Object> settings) {
        QuernException refused = assertThrows(QuernException.class, () -> rewriting(technique, settings));
        assertTrue(refused.getMessage().contains(part), refused.getMessage());
        assertEquals(1, refused.getMessage().lines().count());
    }

    @Test
    void aStageCountsWhatItChanged() {
        Augmentation technique = new DropNoise();
        Block block = Block.empty(Position.of("stage")).with("share", 0.5);
        try (DocumentFilter.Judge judge = technique.open(block.bind(technique.config()))) {
            CorpusDocument document = new CorpusDocument("a", "a.txt", "one two three four five six seven eight nine");
            Verdict.Replace verdict = (Verdict.Replace) judge.judge(document);
            assertEquals(verdict, judge.judge(document));
            assertEquals(9, verdict.changes().get("units"));
            assertEquals(
                    9 - words(verdict.document().text()).size(),
                    verdict.changes().get("changed_units"));
            long distinct = Stream.of("a", "b", "c", "d")
                    .map(id -> ((Verdict.Replace) judge.judge(new CorpusDocument(id, "a.txt", document.text())))
                            .document()
                            .text())
                    .distinct()
                    .count();
            assertTrue(distinct > 1, "documents of one text are changed each in its way");
        }
    }

    @Test
    void scienceIsMarkedAndUnmarked() {
        Augmentation.Rewriting all = rewriting(new ScientificMarkup(), Map.of());
        Map<String, String> cases = Map.of(
                "Energy is $E = mc^2$ (Einstein, 1905).",
                "Energy is [START_LATEX]$E = mc^2$[END_LATEX] [START_REF](Einstein, 1905)[END_REF].",
                "Aspirin, CC(=O)Oc1ccccc1C(=O)O, is known [12, 13].",
                "Aspirin, [START_SMILES]CC(=O)Oc1ccccc1C(=O)O[END_SMILES], is known [START_REF][12, 13][END_REF].",
                "Light goes 299792.458 km/s in vacuum.",
                "Light goes [START_UNIT]299792.458 km/s[END_UNIT] in vacuum.",
                "The chain MKTAYIAKQRQISFVKSHFSRQ folds.",
                "The chain [START_AMINO]MKTAYIAKQRQISFVKSHFSRQ[END_AMINO] folds.",
                "The gene ACGTACGTTAGCACGTACGTTAGC codes.",
                "The gene [START_DNA]ACGTACGTTAGCACGTACGTTAGC[END_DNA] codes.",
                "How?\nStep 1: add 2 and 2.\nStep 2: that is 4.\nDone.",
                "How?\n<work>Step 1: add 2 and 2.\nStep 2: that is 4.</work>\nDone.",
                "It costs $5 or $6, so \\cite{smith2020} says \\(a+b\\).",
                "It costs $5 or $6, so [START_REF]\\cite{smith2020}[END_REF] says [START_LATEX]\\(a+b\\)[END_LATEX].",
                "Words like cocoon, COST and Phonics(ish) are none.",
                "Words like cocoon, COST and Phonics(ish) are none.");
        cases.forEach((plain, marked) -> {
            assertEquals(marked, all.apply(plain, 1).text());
            assertEquals(plain, ScientificMarkup.unmarked(marked));
        });
        String already = "A [START_REF] stands here, and $x$.";
        assertEquals(already, all.apply(already, 1).text());
        String broken = "[START_R$x$EF]";
        assertEquals(broken, ScientificMarkup.unmarked(all.apply(broken, 1).text()));
        // The whole of a long text of every character, in time linear in its length.
        String hostile = "$\\([\\[\\begin{equation}C(C(".repeat(20_000);
        assertEquals(hostile, ScientificMarkup.unmarked(all.apply(hostile, 1).text()));
        for (String part : List.of("Step 1: x\n", "C(=O)", "\\[\\a ", "[1, ", "\\( a", "12.5e3 ", "$$x")) {
            String many = part.repeat(30_000);
            assertEquals(many, ScientificMarkup.unmarked(all.apply(many, 1).text()));
        }
    }

    @Test
    void structuredDataIsToldAndRestored() {
        Augmentation.Rewriting all = rewriting(new StructuredText(), Map.of("share", 1.0));
        Map<String, String> cases = Map.of(
                "| city | people |\n| --- | --- |\n| Rome | 3 |\n| New is old | a \"b\" |",
                "In row 1, city is Rome; people is 3.\nIn row 2, city is \"New is old\"; people is \"a \\\"b\\\"\".",
                "Before\nFrance\tcapital\tParis\nKing of Spain\tname\tFelipe\n",
                "Before\nThe capital of France is Paris.\nThe name of \"King of Spain\" is Felipe.\n",
                "Look:\n```python\ndef f(x):\n    return x\n```\nEnd",
                "Look:\nThe code, 2 lines of python, is as follows.\nLine 1 of the code is 0 spaces, then def f(x):\nLine 2 of the code is 4 spaces, then return x\nEnd");
        cases.forEach((plain, told) -> {
            assertEquals(told, all.apply(plain, 1).text());
            assertEquals(plain, StructuredText.restored(told));
        });
        String json = "{\"authors\":[{\"name\":\"Ann\",\"of x\":1.50},{\"name\":null}],\"item 1\":{},\"year\":2020}";
        String told = all.apply(json, 1).text();
        assertEquals("""
                The name of item 1 of authors is "Ann".
                The "of x" of item 1 of authors is 1.50.
                The name of item 2 of authors is null.
                The "item 1" is {}.
                The year is 2020.""", told);
        assertEquals(json, StructuredText.restored(told));
        for (String plain : List.of(
                "The end of it is near.",
                "| a |\nno table",
                "{\"a\":",
                "[".repeat(100_000),
                "a\tb\tc\td",
                "```\nopen")) {
            assertEquals(plain, all.apply(plain, 1).text());
        }
        Optional<String> mixed = Optional.of("The end of it is near.\nFrance\tcapital\tParis");
        assertEquals(mixed.get(), all.apply(mixed.get(), 1).text(), "what could not be told apart stays");
    }
}
