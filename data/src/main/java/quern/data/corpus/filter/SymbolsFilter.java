package quern.data.corpus.filter;

import quern.data.corpus.CorpusDocument;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Verdict;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** Drops documents in which too many characters are no letters: tables of numbers, code, spoilt encodings. */
public final class SymbolsFilter implements DocumentFilter {
    /**
     * @param maxSymbols share of characters that are neither letters, digits, white space nor common punctuation
     * @param maxDigits share of characters that are digits
     * @param maxUpperCase share of the letters with case that are upper case
     * @param maxReplaced share of characters that are U+FFFD or control characters
     */
    public record Config(
            @Doc("Share of characters that are neither letters, digits, white space nor common punctuation, at most.")
            @Default("0.1")
            @Range(min = 0, max = 1)
            double maxSymbols,

            @Doc("Share of characters that are digits at most.") @Default("0.2") @Range(min = 0, max = 1)
            double maxDigits,

            @Doc("Share of the letters that are upper case at most.") @Default("0.5") @Range(min = 0, max = 1)
            double maxUpperCase,

            @Doc("Share of characters that are U+FFFD or control characters at most.")
            @Default("0.001")
            @Range(min = 0, max = 1)
            double maxReplaced) {}

    @Override
    public String id() {
        return "symbols";
    }

    @Override
    public String summary() {
        return "drops documents of too many symbols, digits, capitals or spoilt characters";
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
        String text = document.text();
        long symbols = 0;
        long digits = 0;
        long upper = 0;
        long cased = 0;
        long replaced = 0;
        long all = 0;
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            i += Character.charCount(c);
            all++;
            if (c == 0xfffd || Character.isISOControl(c) && !Character.isWhitespace(c)) {
                replaced++;
            } else if (Character.isLetter(c)) {
                boolean capital = Character.isUpperCase(c);
                upper += capital ? 1 : 0;
                cased += capital || Character.isLowerCase(c) ? 1 : 0;
            } else if (Character.isDigit(c)) {
                digits++;
            } else if (!Character.isWhitespace(c) && !Character.isSpaceChar(c) && !isPunctuation(c)) {
                symbols++;
            }
        }
        if ((double) replaced / all > config.maxReplaced()) {
            return drop("spoilt_characters", replaced, all, config.maxReplaced());
        }
        if ((double) symbols / all > config.maxSymbols()) {
            return drop("symbols", symbols, all, config.maxSymbols());
        }
        if ((double) digits / all > config.maxDigits()) {
            return drop("digits", digits, all, config.maxDigits());
        }
        if (cased > 0 && (double) upper / cased > config.maxUpperCase()) {
            return drop("upper_case", upper, cased, config.maxUpperCase());
        }
        return Verdict.KEEP;
    }

    private static boolean isPunctuation(int c) {
        // Marks belong to the letters before them.
        return switch (Character.getType(c)) {
            case Character.NON_SPACING_MARK, Character.COMBINING_SPACING_MARK, Character.ENCLOSING_MARK -> true;
            case Character.INITIAL_QUOTE_PUNCTUATION, Character.FINAL_QUOTE_PUNCTUATION, Character.DASH_PUNCTUATION ->
                true;
            case Character.OTHER_PUNCTUATION -> c > 0x7f || ".,;:!?'\"".indexOf(c) >= 0;
            case Character.START_PUNCTUATION, Character.END_PUNCTUATION -> c > 0x7f || c == '(' || c == ')';
            default -> false;
        };
    }

    private static Verdict drop(String reason, long found, long all, double limit) {
        return Verdict.drop(reason, "%.4f, more than %s".formatted((double) found / all, limit));
    }
}
