package quern.testkit;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Texts like short web pages, each a pure function of a seed and its number, some of which are near-duplicates of another at
 * a known Jaccard similarity of their word shingles. Words are drawn by Zipf's law.
 *
 * <p>The texts come in blocks of {@value #BLOCK}: originals first, then a copy of the first originals for each of the given
 * similarities. In a copy, words at random places are replaced by new ones, as many as the similarity allows.
 */
public final class PlantedTexts {
    /** Texts in a block. */
    public static final int BLOCK = 10;

    private static final int VOCABULARY = 50_000;
    private static final double LOG_VOCABULARY = Math.log(VOCABULARY);
    private static final String[] STARTS = {
        "b", "br", "d", "f", "g", "gr", "k", "l", "m", "n", "p", "pr", "r", "s", "st", "t", "tr", "v", "w", "z"
    };
    private static final String[] VOWELS = {"a", "e", "i", "o", "u", "ai", "ea", "ou", "y", "oo"};
    private static final String[] ENDS = {"", "", "n", "r", "s", "t", "l", "nd", "st", "m"};

    private final long seed;
    private final int shingle;
    private final double[] similarities;
    private final int leastWords;
    private final int mostWords;

    /**
     * @param seed of all texts
     * @param shingle words in a shingle
     * @param similarities of the copies in a block, fewer than half of it
     * @param leastWords in an original
     * @param mostWords in an original
     */
    public PlantedTexts(long seed, int shingle, double[] similarities, int leastWords, int mostWords) {
        if (2 * similarities.length > BLOCK) {
            throw new IllegalArgumentException("more copies than originals: " + Arrays.toString(similarities));
        }
        this.seed = seed;
        this.shingle = shingle;
        this.similarities = similarities.clone();
        this.leastWords = leastWords;
        this.mostWords = mostWords;
    }

    /** The number of the text that this one is a copy of; itself for an original. */
    public long original(long number) {
        int place = (int) (number % BLOCK);
        int copy = place - (BLOCK - similarities.length);
        return copy < 0 ? number : number - place + copy;
    }

    /** The similarity that this text was made for; 1 for an original. */
    public double similarity(long number) {
        int copy = (int) (number % BLOCK) - (BLOCK - similarities.length);
        return copy < 0 ? 1 : similarities[copy];
    }

    /** A text. */
    public String text(long number) {
        long original = original(number);
        String[] words = words(original);
        if (original != number) {
            edit(words, similarity(number), random(number));
        }
        StringBuilder text = new StringBuilder(8 * words.length);
        SplittableRandom shape = random(~original);
        boolean begins = true;
        for (int i = 0; i < words.length; i++) {
            String word = words[i];
            text.append(begins ? Character.toUpperCase(word.charAt(0)) : word.charAt(0))
                    .append(word, 1, word.length());
            int draw = i + 1 == words.length ? 0 : shape.nextInt(60);
            begins = draw < 5;
            text.append(draw == 0 ? ".\n" : draw < 5 ? ". " : draw < 10 ? ", " : " ");
        }
        return text.toString();
    }

    /** The shingles of a text as lists of words, found the plain way. */
    public static Set<List<String>> shingles(String text, int size) {
        List<String> words = Arrays.stream(text.toLowerCase(Locale.ROOT).split("[^\\p{L}]+"))
                .filter(word -> !word.isEmpty())
                .toList();
        Set<List<String>> shingles = new HashSet<>();
        for (int i = 0; i + size <= words.size(); i++) {
            shingles.add(words.subList(i, i + size));
        }
        return shingles;
    }

    private SplittableRandom random(long number) {
        return new SplittableRandom(seed * 0x9E3779B97F4A7C15L ^ number * 0xD6E8FEB86659FD93L);
    }

    private String[] words(long original) {
        SplittableRandom random = random(original);
        String[] words = new String[leastWords + random.nextInt(mostWords - leastWords + 1)];
        for (int i = 0; i < words.length; i++) {
            words[i] = word((int) Math.exp(random.nextDouble() * LOG_VOCABULARY));
        }
        return words;
    }

    /** Replaces words as long as {@code (s - touched) / (s + touched)} of the s shingles stays at least the similarity. */
    private void edit(String[] words, double similarity, SplittableRandom random) {
        int count = words.length - shingle + 1;
        boolean[] touched = new boolean[count];
        int sum = 0;
        for (int attempt = 0; attempt < 4 * words.length; attempt++) {
            int place = random.nextInt(words.length);
            int from = Math.max(0, place - shingle + 1);
            int to = Math.min(count - 1, place);
            int more = 0;
            for (int i = from; i <= to; i++) {
                more += touched[i] ? 0 : 1;
            }
            if (more > 0 && count - sum - more >= similarity * (count + sum + more)) {
                Arrays.fill(touched, from, to + 1, true);
                sum += more;
                words[place] = word(VOCABULARY + random.nextInt(VOCABULARY));
            }
        }
    }

    /** The word of a rank, unlike that of any other. */
    private static String word(int rank) {
        StringBuilder word = new StringBuilder();
        int rest = rank;
        do {
            word.append(STARTS[rest % STARTS.length]);
            rest /= STARTS.length;
            word.append(VOWELS[rest % VOWELS.length]);
            rest /= VOWELS.length;
        } while (rest > 0);
        return word.append(ENDS[rank % ENDS.length]).toString();
    }
}
