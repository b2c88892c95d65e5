package quern.data.corpus.filter;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Verdict;
import quern.data.corpus.internal.Words;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * The quality rules of Gopher (Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training
 * Gopher", appendix A.1.1), with the paper's thresholds. Words are what white space divides, so the rules are for
 * languages that write spaces; stop words of another language than English are a setting.
 *
 * <p>{@code min_words}..{@code max_words} words; mean length of a word in {@code min_mean_word_length}..{@code
 * max_mean_word_length}; hash signs to words, and ellipses to words, at most {@code max_symbol_ratio}; at most {@code
 * max_bullet_lines} of the lines begin with a bullet, at most {@code max_ellipsis_lines} end in an ellipsis; at least {@code
 * min_alphabetic_words} of the words hold a letter; at least {@code min_stop_words} of the stop words occur.
 */
public final class GopherQualityFilter implements DocumentFilter {
    private static final double EPSILON = 1e-12;

    /** The thresholds, as the class describes them. */
    public record Config(
            @Doc("Words at least.") @Default("50") @Range(min = 0)
            int minWords,

            @Doc("Words at most.") @Default("100000") @Range(min = 1)
            int maxWords,

            @Doc("Mean length of a word at least.") @Default("3.0") @Range(min = 0)
            double minMeanWordLength,

            @Doc("Mean length of a word at most.") @Default("10.0") @Range(min = 0)
            double maxMeanWordLength,

            @Doc("Hash signs, or ellipses, to words at most.") @Default("0.1") @Range(min = 0)
            double maxSymbolRatio,

            @Doc("Share of lines that begin with a bullet at most.") @Default("0.9") @Range(min = 0, max = 1)
            double maxBulletLines,

            @Doc("Share of lines that end in an ellipsis at most.") @Default("0.3") @Range(min = 0, max = 1)
            double maxEllipsisLines,

            @Doc("Share of words with a letter at least.") @Default("0.8") @Range(min = 0, max = 1)
            double minAlphabeticWords,

            @Doc("How many of the stop words must occur.") @Default("2") @Range(min = 0)
            int minStopWords,

            @Doc("The stop words.") @Default("[the, be, to, of, and, that, have, with]")
            List<String> stopWords) {
        /** Refuses what can't be met. */
        public Config {
            stopWords = List.copyOf(stopWords);
            if (minStopWords > stopWords.size()) {
                throw new IllegalArgumentException(
                        "min_stop_words: %d of %d stop words can't occur".formatted(minStopWords, stopWords.size()));
            }
        }
    }

    @Override
    public String id() {
        return "gopher_quality";
    }

    @Override
    public String summary() {
        return "Gopher's quality rules: words, symbols, bullets, ellipses, stop words";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Judge open(Record config) {
        Config own = (Config) config;
        Set<String> stopWords = new HashSet<>();
        own.stopWords().forEach(word -> stopWords.add(word.toLowerCase(java.util.Locale.ROOT)));
        return document -> judge(document, own, stopWords);
    }

    private static Verdict judge(CorpusDocument document, Config config, Set<String> stopWords) {
        List<String> words = Words.of(document.text());
        int count = words.size();
        if (count < config.minWords()) {
            return Verdict.drop("too_few_words", "%,d words, fewer than %,d".formatted(count, config.minWords()));
        }
        if (count > config.maxWords()) {
            return Verdict.drop("too_many_words", "%,d words, more than %,d".formatted(count, config.maxWords()));
        }
        long letters = 0;
        int alphabetic = 0;
        Set<String> found = new HashSet<>();
        for (String word : words) {
            letters += word.codePointCount(0, word.length());
            alphabetic += word.codePoints().anyMatch(Character::isLetter) ? 1 : 0;
            if (found.size() < config.minStopWords()) {
                String bare = Words.bare(word);
                if (stopWords.contains(bare)) {
                    found.add(bare);
                }
            }
        }
        double mean = (double) letters / Math.max(1, count);
        if (mean < config.minMeanWordLength() || mean > config.maxMeanWordLength()) {
            return Verdict.drop(
                    "mean_word_length",
                    "%.2f, outside %s to %s".formatted(mean, config.minMeanWordLength(), config.maxMeanWordLength()));
        }
        Verdict symbols = symbols(document.text(), count, config);
        if (symbols != Verdict.KEEP) {
            return symbols;
        }
        double share = (double) alphabetic / Math.max(1, count);
        if (share < config.minAlphabeticWords() - EPSILON) {
            return Verdict.drop(
                    "few_alphabetic_words",
                    "%.3f of the words hold a letter, fewer than %s".formatted(share, config.minAlphabeticWords()));
        }
        if (found.size() < config.minStopWords()) {
            return Verdict.drop(
                    "few_stop_words", "%d stop words, fewer than %d".formatted(found.size(), config.minStopWords()));
        }
        return Verdict.KEEP;
    }

    private static Verdict symbols(String text, int words, Config config) {
        long hashes = text.chars().filter(c -> c == '#').count();
        long ellipses = ellipses(text);
        for (long symbols : new long[] {hashes, ellipses}) {
            double ratio = (double) symbols / Math.max(1, words);
            if (ratio > config.maxSymbolRatio() + EPSILON) {
                return Verdict.drop(
                        symbols == hashes ? "hashes" : "ellipses",
                        "%.3f to a word, more than %s".formatted(ratio, config.maxSymbolRatio()));
            }
        }
        List<String> lines = Words.lines(text);
        long bullets = lines.stream().filter(GopherQualityFilter::isBullet).count();
        double bulletShare = (double) bullets / Math.max(1, lines.size());
        if (bulletShare > config.maxBulletLines() + EPSILON) {
            return Verdict.drop(
                    "bullet_lines", "%.3f of the lines, more than %s".formatted(bulletShare, config.maxBulletLines()));
        }
        long ending = lines.stream()
                .filter(line -> line.endsWith("...") || line.endsWith("…"))
                .count();
        double ellipsisShare = (double) ending / Math.max(1, lines.size());
        if (ellipsisShare > config.maxEllipsisLines() + EPSILON) {
            return Verdict.drop(
                    "ellipsis_lines",
                    "%.3f of the lines, more than %s".formatted(ellipsisShare, config.maxEllipsisLines()));
        }
        return Verdict.KEEP;
    }

    private static boolean isBullet(String line) {
        return switch (line.charAt(0)) {
            case '•', '‣', '▪', '●', '◦', '∙', '*', '-', '–' -> true;
            default -> false;
        };
    }

    private static long ellipses(String text) {
        long count = 0;
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) == '…') {
                count++;
            } else if (text.startsWith("...", i)) {
                count++;
                i += 2;
            }
        }
        return count;
    }
}
