package quern.data.corpus.filter;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Verdict;
import quern.data.corpus.internal.Words;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * The repetition rules of Gopher (Rae et al. 2021, appendix A.1.1, table A1), with the paper's thresholds: the share of
 * lines and of paragraphs that repeat an earlier one, and of the characters in them; the share of characters in the most
 * frequent n-gram of words, n = 2 to 4; the share of characters in n-grams that occurred before, n = 5 to 10, each
 * character counted once however many n-grams cover it.
 *
 * <p>Shares of characters in n-grams are of the characters in words, without white space, so that they end at 1.
 */
public final class RepetitionFilter implements DocumentFilter {
    private static final double EPSILON = 1e-12;
    private static final int FIRST_TOP = 2;
    private static final int FIRST_DUPLICATE = 5;

    /**
     * @param duplicateLines share of lines at most
     * @param duplicateParagraphs share of paragraphs at most
     * @param duplicateLineCharacters share of characters at most
     * @param duplicateParagraphCharacters share of characters at most
     * @param topNgrams for n = 2, 3, 4
     * @param duplicateNgrams for n = 5 to 10
     */
    public record Config(
            @Doc("Share of lines that repeat one at most.") @Default("0.3") @Range(min = 0, max = 1)
            double duplicateLines,

            @Doc("Share of paragraphs that repeat one at most.") @Default("0.3") @Range(min = 0, max = 1)
            double duplicateParagraphs,

            @Doc("Share of characters in repeated lines at most.") @Default("0.2") @Range(min = 0, max = 1)
            double duplicateLineCharacters,

            @Doc("Share of characters in repeated paragraphs at most.") @Default("0.2") @Range(min = 0, max = 1)
            double duplicateParagraphCharacters,

            @Doc("Share of characters in the most frequent 2-, 3- and 4-gram of words at most.")
            @Default("[0.2, 0.18, 0.16]")
            List<Double> topNgrams,

            @Doc("Share of characters in repeated 5- to 10-grams of words at most.")
            @Default("[0.15, 0.14, 0.13, 0.12, 0.11, 0.1]")
            List<Double> duplicateNgrams) {
        /** Refuses lists of another length. */
        public Config {
            topNgrams = List.copyOf(topNgrams);
            duplicateNgrams = List.copyOf(duplicateNgrams);
            if (topNgrams.size() > 3) {
                throw new IllegalArgumentException(
                        "top_ngrams: expected shares for n = 2, 3, 4, found " + topNgrams.size() + " of them");
            }
            if (duplicateNgrams.size() > 6) {
                throw new IllegalArgumentException("duplicate_ngrams: expected shares for n = 5 to 10, found "
                        + duplicateNgrams.size() + " of them");
            }
        }
    }

    @Override
    public String id() {
        return "repetition";
    }

    @Override
    public String summary() {
        return "Gopher's repetition rules: repeated lines, paragraphs and n-grams";
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
        Verdict lines = repeated("lines", Words.lines(text), config.duplicateLines(), config.duplicateLineCharacters());
        if (lines != Verdict.KEEP) {
            return lines;
        }
        Verdict paragraphs = repeated(
                "paragraphs",
                Words.paragraphs(text),
                config.duplicateParagraphs(),
                config.duplicateParagraphCharacters());
        if (paragraphs != Verdict.KEEP) {
            return paragraphs;
        }
        return ngrams(Words.of(text), config);
    }

    private static Verdict repeated(String what, List<String> parts, double mostParts, double mostCharacters) {
        Set<String> seen = new HashSet<>();
        long repeated = 0;
        long repeatedCharacters = 0;
        long characters = 0;
        for (String part : parts) {
            characters += part.length();
            if (!seen.add(part)) {
                repeated++;
                repeatedCharacters += part.length();
            }
        }
        double share = (double) repeated / Math.max(1, parts.size());
        if (share > mostParts + EPSILON) {
            return Verdict.drop("duplicate_" + what, "%.3f of the %s, more than %s".formatted(share, what, mostParts));
        }
        double characterShare = (double) repeatedCharacters / Math.max(1, characters);
        if (characterShare > mostCharacters + EPSILON) {
            return Verdict.drop(
                    "duplicate_" + what + "_characters",
                    "%.3f of the characters, more than %s".formatted(characterShare, mostCharacters));
        }
        return Verdict.KEEP;
    }

    private static Verdict ngrams(List<String> words, Config config) {
        int count = words.size();
        int[] ids = new int[count];
        int[] lengths = new int[count];
        Map<String, Integer> vocabulary = new HashMap<>();
        long characters = 0;
        for (int i = 0; i < count; i++) {
            ids[i] = vocabulary.computeIfAbsent(words.get(i), word -> vocabulary.size());
            lengths[i] = words.get(i).length();
            characters += lengths[i];
        }
        for (int k = 0; k < config.topNgrams().size(); k++) {
            int n = FIRST_TOP + k;
            double share = (double) top(ids, lengths, n) / Math.max(1, characters);
            if (share > config.topNgrams().get(k) + EPSILON) {
                return Verdict.drop(
                        "top_%d_gram".formatted(n),
                        "%.3f of the characters, more than %s"
                                .formatted(share, config.topNgrams().get(k)));
            }
        }
        for (int k = 0; k < config.duplicateNgrams().size(); k++) {
            int n = FIRST_DUPLICATE + k;
            double share = (double) duplicate(ids, lengths, n) / Math.max(1, characters);
            if (share > config.duplicateNgrams().get(k) + EPSILON) {
                return Verdict.drop(
                        "duplicate_%d_grams".formatted(n),
                        "%.3f of the characters, more than %s"
                                .formatted(share, config.duplicateNgrams().get(k)));
            }
        }
        return Verdict.KEEP;
    }

    /** Characters in all occurrences of the n-gram that occurs most often, twice at least; of ties, the longest one's. */
    private static long top(int[] ids, int[] lengths, int n) {
        Ngrams seen = new Ngrams(ids, n);
        int most = 1;
        long characters = 0;
        for (int i = 0; i + n <= ids.length; i++) {
            int times = seen.add(i);
            if (times >= 2 && times >= most) {
                long length = 0;
                for (int j = i; j < i + n; j++) {
                    length += lengths[j];
                }
                characters = times > most ? length * times : Math.max(characters, length * times);
                most = times;
            }
        }
        return characters;
    }

    /** Characters of words in n-grams that occurred before. */
    private static long duplicate(int[] ids, int[] lengths, int n) {
        Ngrams seen = new Ngrams(ids, n);
        long characters = 0;
        int counted = 0;
        for (int i = 0; i + n <= ids.length; i++) {
            if (seen.add(i) >= 2) {
                for (int j = Math.max(i, counted); j < i + n; j++) {
                    characters += lengths[j];
                }
                counted = i + n;
            }
        }
        return characters;
    }

    /** Counts n-grams of a sequence by their first places: an open hash table whose keys are compared, not trusted. */
    private static final class Ngrams {
        private final int[] ids;
        private final int n;
        private final int[] places;
        private final int[] times;

        Ngrams(int[] ids, int n) {
            this.ids = ids;
            this.n = n;
            int size = Integer.highestOneBit(Math.max(4, ids.length)) << 2;
            this.places = new int[size];
            this.times = new int[size];
        }

        /** Counts the n-gram that begins here; gives how often it has occurred. */
        int add(int at) {
            long hash = 1;
            for (int j = at; j < at + n; j++) {
                hash = (hash ^ ids[j]) * 0x9E3779B97F4A7C15L;
                hash ^= hash >>> 29;
            }
            int slot = (int) (hash >>> 32) & (places.length - 1);
            while (times[slot] > 0 && !equal(places[slot], at)) {
                slot = (slot + 1) & (places.length - 1);
            }
            if (times[slot] == 0) {
                places[slot] = at;
            }
            return ++times[slot];
        }

        private boolean equal(int a, int b) {
            for (int j = 0; j < n; j++) {
                if (ids[a + j] != ids[b + j]) {
                    return false;
                }
            }
            return true;
        }
    }
}
