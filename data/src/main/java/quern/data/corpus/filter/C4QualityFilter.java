package quern.data.corpus.filter;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Verdict;
import quern.data.corpus.internal.Words;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * The rules of C4 (Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
 * Transformer", section 2.2): lines stay that end in a terminal punctuation mark and have {@code min_words_in_line} words
 * or more, and that speak neither of JavaScript nor of policies; marks of citations ({@code [1]}, {@code [edit]}, {@code
 * [citation needed]}) go; a document is dropped that says lorem ipsum, holds a curly bracket, one of the given words, or
 * fewer than {@code min_sentences} sentences.
 *
 * <p>Not here: the paper's list of bad words is not shipped ({@code bad_words} takes one); the language is the filter
 * {@code language}, and its removal of repeated spans of three sentences is a removal of duplicates.
 */
public final class C4QualityFilter implements DocumentFilter {
    private static final Pattern CITATION = Pattern.compile("\\[(?:\\d{1,4}|edit|citation needed)\\]");
    private static final List<String> POLICIES =
            List.of("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies");

    /** The rules, as the class describes them. */
    public record Config(
            @Doc("Whether lines must end in a terminal punctuation mark.") @Default("true")
            boolean terminalPunctuation,

            @Doc("Words in a line at least.") @Default("5") @Range(min = 0)
            int minWordsInLine,

            @Doc("Sentences in a document at least.") @Default("3") @Range(min = 0)
            int minSentences,

            @Doc("Whether lines that speak of JavaScript go.") @Default("true")
            boolean javascript,

            @Doc("Whether lines that speak of policies and cookies go.") @Default("true")
            boolean policies,

            @Doc("Whether documents with curly brackets go.") @Default("true")
            boolean curlyBrackets,

            @Doc("Whether documents that say lorem ipsum go.") @Default("true")
            boolean loremIpsum,

            @Doc("Whether marks of citations go.") @Default("true")
            boolean citations,

            @Doc("Words for which a document goes.") @Default("[]")
            List<String> badWords) {
        /** Takes a copy. */
        public Config {
            badWords =
                    badWords.stream().map(word -> word.toLowerCase(Locale.ROOT)).toList();
        }
    }

    @Override
    public String id() {
        return "c4_quality";
    }

    @Override
    public String summary() {
        return "C4's rules: whole sentences, no code, no policies, no lorem ipsum";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Judge open(Record config) {
        Config own = (Config) config;
        return document -> judge(document, own);
    }

    private static Verdict judge(CorpusDocument document, Config config) {
        String lower = document.text().toLowerCase(Locale.ROOT);
        if (config.loremIpsum() && lower.contains("lorem ipsum")) {
            return Verdict.drop("lorem_ipsum", "says lorem ipsum");
        }
        if (config.curlyBrackets() && lower.indexOf('{') >= 0) {
            return Verdict.drop("curly_bracket", "holds a curly bracket");
        }
        if (!config.badWords().isEmpty()) {
            for (String word : Words.of(lower)) {
                if (config.badWords().contains(Words.bare(word))) {
                    return Verdict.drop("bad_word", "holds a word of bad_words");
                }
            }
        }
        Map<String, Long> changes = new TreeMap<>();
        List<String> kept = new ArrayList<>();
        int sentences = 0;
        for (String line : document.text().lines().toList()) {
            String cleaned = line.strip();
            if (cleaned.isEmpty()) {
                continue;
            }
            if (config.citations() && cleaned.indexOf('[') >= 0) {
                String without = CITATION.matcher(cleaned).replaceAll("");
                if (!without.equals(cleaned)) {
                    changes.merge("citation_marks", 1L, Long::sum);
                    cleaned = without.strip();
                }
            }
            String reason = reason(cleaned, config);
            if (reason != null) {
                changes.merge(reason, 1L, Long::sum);
                continue;
            }
            kept.add(cleaned);
            sentences += sentences(cleaned);
        }
        if (sentences < config.minSentences()) {
            return Verdict.drop(
                    "too_few_sentences", "%d sentences, fewer than %d".formatted(sentences, config.minSentences()));
        }
        return changes.isEmpty()
                ? Verdict.KEEP
                : new Verdict.Replace(document.withText(String.join("\n", kept)), changes);
    }

    /** Why a line goes; null where it stays. */
    private static String reason(String line, Config config) {
        if (config.terminalPunctuation() && !endsSentence(line)) {
            return "lines_without_punctuation";
        }
        if (Words.count(line) < config.minWordsInLine()) {
            return "lines_too_short";
        }
        String lower = line.toLowerCase(Locale.ROOT);
        if (config.javascript() && lower.contains("javascript")) {
            return "lines_about_javascript";
        }
        if (config.policies() && POLICIES.stream().anyMatch(lower::contains)) {
            return "lines_about_policies";
        }
        return null;
    }

    private static boolean endsSentence(String line) {
        if (line.isEmpty() || line.endsWith("...")) {
            return false;
        }
        return switch (line.charAt(line.length() - 1)) {
            case '.', '!', '?', '"', '”', '。', '！', '？', '।', '؟', '۔' -> true;
            default -> false;
        };
    }

    private static int sentences(String line) {
        int count = 0;
        boolean inside = false;
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            boolean end = c == '.' || c == '!' || c == '?' || c == '。' || c == '！' || c == '？' || c == '।' || c == '؟'
                    || c == '۔';
            boolean border = c >= 0x3000 && end
                    || i + 1 == line.length()
                    || Character.isWhitespace(line.charAt(i + 1))
                    || "\"'”’)".indexOf(line.charAt(i + 1)) >= 0;
            if (end && border && inside) {
                count++;
                inside = false;
            } else if (Character.isLetterOrDigit(c)) {
                inside = true;
            }
        }
        return count + (inside ? 1 : 0);
    }
}
