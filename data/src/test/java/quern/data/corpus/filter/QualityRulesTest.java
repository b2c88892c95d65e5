package quern.data.corpus.filter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import quern.data.corpus.Corpora;
import quern.data.corpus.Verdict;
import quern.recipe.QuernException;

/** Each rule from both sides of its threshold. */
class QualityRulesTest {
    /** Words that differ, so that no rule about repetition speaks. */
    private static String words(int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> "w" + (char) ('a' + i / 676) + (char) ('a' + i / 26 % 26) + (char) ('a' + i % 26))
                .collect(Collectors.joining(" "));
    }

    private static final String STOP = " the of ";

    @Test
    void lengthHasFourLimits() {
        LengthFilter length = new LengthFilter();
        assertEquals("too_short", Corpora.reason(length, "1234", "min_characters", 5));
        assertEquals("", Corpora.reason(length, "12345", "min_characters", 5));
        assertEquals("too_long", Corpora.reason(length, "123456", "max_characters", 5));
        assertEquals("too_few_words", Corpora.reason(length, "one two", "min_words", 3));
        assertEquals("too_many_words", Corpora.reason(length, "one two\u00a0three\u3000four", "max_words", 3));
        assertEquals("", Corpora.reason(length, "one two\nthree", "min_words", 3, "max_words", 3));
        assertThrows(QuernException.class, () -> Corpora.reason(length, "x"));
    }

    @Test
    void gopherCountsWordsAndTheirLength() {
        GopherQualityFilter gopher = new GopherQualityFilter();
        assertEquals("too_few_words", Corpora.reason(gopher, words(47) + STOP));
        assertEquals("", Corpora.reason(gopher, words(48) + STOP));
        assertEquals("too_many_words", Corpora.reason(gopher, words(100) + STOP, "max_words", 101));
        assertEquals("mean_word_length", Corpora.reason(gopher, "a b ".repeat(50) + STOP));
        assertEquals("mean_word_length", Corpora.reason(gopher, "abcdefghijkl ".repeat(100) + STOP));
    }

    @Test
    void gopherCountsSymbolsAndLines() {
        GopherQualityFilter gopher = new GopherQualityFilter();
        // 98 + 2 words: ten hash signs are a tenth, which stays.
        assertEquals("", Corpora.reason(gopher, words(98) + "#".repeat(10) + STOP));
        assertEquals("hashes", Corpora.reason(gopher, words(98) + "#".repeat(11) + STOP));
        assertEquals(
                "ellipses",
                Corpora.reason(
                        gopher,
                        words(98).replaceFirst(" ", "... ……………………".strip() + "… ")
                                + STOP
                                + "… ".repeat(3)
                                + "....".repeat(2),
                        "max_symbol_ratio",
                        0.05));
        String line = words(12);
        String bullets = IntStream.range(0, 10).mapToObj(i -> "- " + line).collect(Collectors.joining("\n"));
        assertEquals("bullet_lines", Corpora.reason(gopher, bullets + STOP));
        assertEquals("", Corpora.reason(gopher, bullets + STOP + "\n" + line + "\n" + line));
        String ending = (line + "...\n").repeat(2) + (line + "\n").repeat(3);
        assertEquals("ellipsis_lines", Corpora.reason(gopher, STOP + ending));
        assertEquals("", Corpora.reason(gopher, STOP + ending + (line + "\n").repeat(2)));
    }

    @Test
    void gopherWantsLettersAndStopWords() {
        GopherQualityFilter gopher = new GopherQualityFilter();
        assertEquals("", Corpora.reason(gopher, words(78) + " 12345".repeat(20) + STOP));
        assertEquals("few_alphabetic_words", Corpora.reason(gopher, words(77) + " 12345".repeat(21) + STOP));
        assertEquals("few_stop_words", Corpora.reason(gopher, words(98) + " the The, the"));
        assertEquals("", Corpora.reason(gopher, words(98) + " \"The\" OF"));
        assertEquals("", Corpora.reason(gopher, words(98), "min_stop_words", 0));
        assertEquals("", Corpora.reason(gopher, words(98) + " der die", "stop_words", List.of("der", "die")));
    }

    @Test
    void repetitionOfLinesAndParagraphs() {
        RepetitionFilter repetition = new RepetitionFilter();
        String[] lines = words(200).split("(?<=\\G(?:\\w{4} ){10})");
        // Of ten lines three repeat one: 0.3 stays, four go. The longer other lines keep the characters below a fifth.
        String other = String.join("\n", java.util.Arrays.copyOf(lines, 6));
        assertEquals("", Corpora.reason(repetition, other + "\nshort\nshort\nshort\nshort"));
        assertEquals("duplicate_lines", Corpora.reason(repetition, other + "\nshort".repeat(5)));
        assertEquals(
                "duplicate_lines_characters", Corpora.reason(repetition, other + "\n" + lines[0] + "\n" + lines[1]));
        assertEquals(
                "duplicate_paragraphs",
                Corpora.reason(
                        repetition, other + "\n\nshort\nx".repeat(5).replace("\nx", "\nx"), "duplicate_lines", 1.0));
        assertEquals("", Corpora.reason(repetition, words(300)));
    }

    @Test
    void repetitionOfNgrams() {
        RepetitionFilter repetition = new RepetitionFilter();
        // "abcd efgh" stands 25 times among 225 words of four letters: 50 of 225 characters, above a fifth.
        String pair = IntStream.range(0, 25)
                .mapToObj(i -> "abcd efgh " + words(1000).substring(i * 35, i * 35 + 35))
                .collect(Collectors.joining());
        assertEquals("top_2_gram", Corpora.reason(repetition, pair));
        assertEquals("", Corpora.reason(repetition, pair, "top_ngrams", List.of(0.23, 0.23, 0.23)));
        String once = words(100);
        String part = once.substring(0, 100 - 1);
        // 20 words again after 100: a sixth of the characters.
        assertEquals("duplicate_5_grams", Corpora.reason(repetition, once + " " + part));
        Verdict.Drop drop = assertInstanceOf(Verdict.Drop.class, Corpora.judge(repetition, once + " " + part));
        assertTrue(drop.detail().startsWith("0.167"), drop.detail());
        // Ten words again: an eleventh, above the limit for n = 10 alone... 0.0909 is below it.
        assertEquals("", Corpora.reason(repetition, once + " " + once.substring(0, 49)));
    }

    @Test
    void c4KeepsWholeSentences() {
        C4QualityFilter c4 = new C4QualityFilter();
        String good = "This is a sentence of several words. Here comes one more of them.\nAnd a third one stands here.";
        assertEquals(Verdict.KEEP, Corpora.judge(c4, good));
        Verdict.Replace cleaned = assertInstanceOf(
                Verdict.Replace.class,
                Corpora.judge(
                        c4,
                        "Menu\n" + good.replace("sentence", "sentence[12]")
                                + "\nToo short a line.\nThis line of six words has no end\nPlease enable JavaScript to see this page.\n"
                                + "We use cookies to make this site work better."));
        assertEquals(good, cleaned.document().text());
        assertEquals(
                Map.of(
                        "lines_without_punctuation", 2L,
                        "lines_too_short", 1L,
                        "lines_about_javascript", 1L,
                        "lines_about_policies", 1L,
                        "citation_marks", 1L),
                cleaned.changes());
        assertEquals("too_few_sentences", Corpora.reason(c4, "One sentence alone stands here."));
        assertEquals("lorem_ipsum", Corpora.reason(c4, good + " Lorem Ipsum dolor sit amet."));
        assertEquals("curly_bracket", Corpora.reason(c4, good + " if (x) { y }."));
        assertEquals("bad_word", Corpora.reason(c4, good, "bad_words", List.of("Several")));
        assertEquals("", Corpora.reason(c4, good + " {", "curly_brackets", false, "terminal_punctuation", false));
    }

    @Test
    void fineWebLooksAtLines() {
        FineWebQualityFilter fineWeb = new FineWebQualityFilter();
        String line = "a line that has more than thirty characters ";
        String some = IntStream.range(0, 9).mapToObj(i -> line + i + ".").collect(Collectors.joining("\n"));
        assertEquals("", Corpora.reason(fineWeb, some));
        assertEquals("unpunctuated_lines", Corpora.reason(fineWeb, some.replace(".", "")));
        String brief = IntStream.range(0, 19).mapToObj(i -> "short " + i + ".").collect(Collectors.joining("\n"));
        assertEquals("short_lines", Corpora.reason(fineWeb, some + "\n" + brief));
        assertEquals("duplicate_line_characters", Corpora.reason(fineWeb, some + "\n" + line + "1."));
    }

    @Test
    void stopWordsTellRunningTextFromLists() {
        StopWordsFilter filter = new StopWordsFilter();
        assertEquals("few_stop_words", Corpora.reason(filter, "cheap shoes boots sandals sneakers online shop sale"));
        assertEquals("", Corpora.reason(filter, "the shoes that we have are not for sale"));
        assertEquals("many_stop_words", Corpora.reason(filter, "the of and", "max_share", 0.9));
    }

    @Test
    void symbolsCountCharacters() {
        SymbolsFilter symbols = new SymbolsFilter();
        assertEquals("", Corpora.reason(symbols, "Plain text, with commas; and (some) \"more\"!"));
        assertEquals("symbols", Corpora.reason(symbols, "<<>> == ## $$ {x} | ~ ^^ words"));
        assertEquals("digits", Corpora.reason(symbols, "12 34 56 78 90 words"));
        assertEquals("upper_case", Corpora.reason(symbols, "BUY NOW and SAVE MONEY"));
        assertEquals("spoilt_characters", Corpora.reason(symbols, "sp\ufffdilt"));
        assertEquals("", Corpora.reason(symbols, "हिन्दी में कुछ शब्द और वाक्य"));
    }
}
