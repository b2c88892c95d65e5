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
 * The rules that FineWeb adds to Gopher's and C4's (Penedo et al. 2024, "The FineWeb Datasets", section 3.6), with the
 * paper's thresholds: lines that end in punctuation, characters in repeated lines, lines of fewer than {@code
 * short_line} characters.
 */
public final class FineWebQualityFilter implements DocumentFilter {
    private static final double EPSILON = 1e-12;

    /**
     * @param minPunctuatedLines share of lines that end in punctuation; a document at or below it goes
     * @param maxDuplicateLineCharacters share of characters in repeated lines; a document at or above it goes
     * @param shortLine characters below which a line is short
     * @param maxShortLines share of short lines; a document at or above it goes
     */
    public record Config(
            @Doc("Share of lines that end in punctuation, above which a document stays.")
            @Default("0.12")
            @Range(min = 0, max = 1)
            double minPunctuatedLines,

            @Doc("Share of characters in repeated lines, below which a document stays.")
            @Default("0.1")
            @Range(min = 0, max = 1)
            double maxDuplicateLineCharacters,

            @Doc("Characters below which a line is short.") @Default("30") @Range(min = 1)
            int shortLine,

            @Doc("Share of short lines, below which a document stays.") @Default("0.67") @Range(min = 0, max = 1)
            double maxShortLines) {}

    @Override
    public String id() {
        return "fineweb_quality";
    }

    @Override
    public String summary() {
        return "FineWeb's rules: punctuated, repeated and short lines";
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
        List<String> lines = Words.lines(document.text());
        if (lines.isEmpty()) {
            return Verdict.drop("empty", "no line with text");
        }
        Set<String> seen = new HashSet<>();
        int punctuated = 0;
        int brief = 0;
        long characters = 0;
        long repeated = 0;
        for (String line : lines) {
            punctuated += isPunctuated(line) ? 1 : 0;
            brief += line.length() < config.shortLine() ? 1 : 0;
            characters += line.length();
            repeated += seen.add(line) ? 0 : line.length();
        }
        double share = (double) punctuated / lines.size();
        if (share <= config.minPunctuatedLines() + EPSILON) {
            return Verdict.drop(
                    "unpunctuated_lines",
                    "%.3f of the lines end in punctuation, not above %s".formatted(share, config.minPunctuatedLines()));
        }
        double briefShare = (double) brief / lines.size();
        if (briefShare >= config.maxShortLines() - EPSILON) {
            return Verdict.drop(
                    "short_lines", "%.3f of the lines, not below %s".formatted(briefShare, config.maxShortLines()));
        }
        double repeatedShare = (double) repeated / characters;
        if (repeatedShare >= config.maxDuplicateLineCharacters() - EPSILON && repeated > 0) {
            return Verdict.drop(
                    "duplicate_line_characters",
                    "%.3f of the characters, not below %s"
                            .formatted(repeatedShare, config.maxDuplicateLineCharacters()));
        }
        return Verdict.KEEP;
    }

    private static boolean isPunctuated(String line) {
        return switch (line.charAt(line.length() - 1)) {
            case '.', '!', '?', '"', '\'', '”', '’', '。', '！', '？', '।', '؟', '۔' -> true;
            default -> false;
        };
    }
}
