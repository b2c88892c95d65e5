package quern.data.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.data.TokenizerJson;
import quern.recipe.QuernException;

/**
 * Learns WordPiece's vocabulary by merging the most frequent pair, as for byte-pair encoding; symbols inside a word bear a
 * prefix. Ids: special tokens, characters by code point, characters inside a word by code point, merges.
 */
public final class WordPieces {
    /** What a piece inside a word begins with. */
    public static final String PREFIX = "##";

    private WordPieces() {}

    /**
     * How text becomes words.
     *
     * @param cleanText control characters are dropped
     * @param isolateIdeographs each Chinese character is a word
     * @param stripAccents accents are taken off letters
     * @param lowercase letters are lowered
     */
    public record Text(boolean cleanText, boolean isolateIdeographs, boolean stripAccents, boolean lowercase) {}

    /** The vocabulary in order of ids, special tokens first. */
    public static List<String> train(
            Iterable<String> documents,
            Text text,
            int vocabularySize,
            long minFrequency,
            List<String> specialTokens,
            int threads) {
        WordTable counted = WordCounts.count(
                documents,
                () -> new BertText(text.cleanText, text.isolateIdeographs, text.stripAccents, text.lowercase),
                threads);
        BitSet first = new BitSet();
        BitSet inside = new BitSet();
        for (int w = 0; w < counted.size(); w++) {
            int at = counted.start(w);
            for (BitSet where = first; at < counted.end(w); where = inside) {
                int c = codePoint(counted, at, counted.end(w));
                // Every character is a token of its own, also one that begins no word.
                first.set(c);
                where.set(c);
                at += Character.charCount(c);
            }
        }
        List<String> vocabulary = new ArrayList<>(specialTokens);
        first.stream().mapToObj(Character::toString).forEach(c -> addNew(vocabulary, specialTokens, c));
        inside.stream()
                .mapToObj(c -> PREFIX + Character.toString(c))
                .forEach(c -> addNew(vocabulary, specialTokens, c));
        if (vocabulary.size() > vocabularySize) {
            throw QuernException.badInput(
                    "tokenizer: vocab_size %,d is too small: %,d special tokens, %,d characters and %,d characters inside words"
                            + " need %,d; raise it",
                    vocabularySize, specialTokens.size(), first.cardinality(), inside.cardinality(), vocabulary.size());
        }
        merges(vocabulary, counted).run(vocabularySize, minFrequency);
        return vocabulary;
    }

    private static void addNew(List<String> vocabulary, List<String> specialTokens, String token) {
        if (!specialTokens.contains(token)) {
            vocabulary.add(token);
        }
    }

    private static BpeMerges merges(List<String> vocabulary, WordTable counted) {
        Map<Integer, Integer> whole = new HashMap<>();
        Map<Integer, Integer> continuing = new HashMap<>();
        for (int id = 0; id < vocabulary.size(); id++) {
            String token = vocabulary.get(id);
            int from = token.startsWith(PREFIX) && token.length() > PREFIX.length() ? PREFIX.length() : 0;
            if (token.codePointCount(from, token.length()) == 1) {
                (from == 0 ? whole : continuing).put(token.codePointAt(from), id);
            }
        }
        int[][] words = new int[counted.size()][];
        long[] counts = new long[words.length];
        int[] symbols = new int[1 << 10];
        for (int w = 0; w < words.length; w++) {
            int at = counted.start(w);
            int length = 0;
            if (counted.end(w) - at > symbols.length) {
                symbols = new int[(counted.end(w) - at) * 2];
            }
            while (at < counted.end(w)) {
                int c = codePoint(counted, at, counted.end(w));
                symbols[length] = (length == 0 ? whole : continuing).get(c);
                length++;
                at += Character.charCount(c);
            }
            words[w] = Arrays.copyOf(symbols, length);
            counts[w] = counted.count(w);
        }
        return new BpeMerges(vocabulary, words, counts, PREFIX);
    }

    static int codePoint(WordTable words, int at, int end) {
        char c = words.at(at);
        if (Character.isHighSurrogate(c) && at + 1 < end && Character.isLowSurrogate(words.at(at + 1))) {
            return Character.toCodePoint(c, words.at(at + 1));
        }
        return c;
    }

    /** The sections of {@code tokenizer.json}. */
    public static Map<String, Map<String, Object>> parts(Text text, String unknown) {
        Map<String, Object> normalizer = new LinkedHashMap<>();
        normalizer.put("type", "BertNormalizer");
        normalizer.put("clean_text", text.cleanText);
        normalizer.put("handle_chinese_chars", text.isolateIdeographs);
        normalizer.put("strip_accents", text.stripAccents);
        normalizer.put("lowercase", text.lowercase);
        Map<String, Object> decoder = new LinkedHashMap<>();
        decoder.put("type", "WordPiece");
        decoder.put("prefix", PREFIX);
        decoder.put("cleanup", true);
        Map<String, Object> model = new LinkedHashMap<>();
        model.put("type", "WordPiece");
        model.put("unk_token", unknown);
        model.put("continuing_subword_prefix", PREFIX);
        model.put("max_input_chars_per_word", 100);
        return Map.of(
                TokenizerJson.NORMALIZER,
                normalizer,
                "pre_tokenizer",
                Map.of("type", "BertPreTokenizer"),
                "decoder",
                decoder,
                "model",
                model);
    }
}
