package quern.data.internal;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.data.TokenizerJson;

/** Trains byte-level BPE: GPT-2's pre-tokens, every byte in the alphabet, no prefix space. */
public final class ByteLevelBpe {
    private ByteLevelBpe() {}

    /** Ids: special tokens, then the 256 byte symbols by code point, then merges. */
    public static TokenizerJson train(
            Iterable<String> documents,
            int vocabularySize,
            long minFrequency,
            List<String> specialTokens,
            Optional<String> endOfText,
            int threads) {
        List<String> vocabulary = new ArrayList<>(specialTokens);
        for (char symbol : ByteSymbols.sorted()) {
            if (!specialTokens.contains(String.valueOf(symbol))) {
                vocabulary.add(String.valueOf(symbol));
            }
        }
        WordTable counted = WordCounts.count(documents, () -> PreTokens::split, threads);
        List<TokenizerJson.Merge> merges = merges(vocabulary, counted).run(vocabularySize, minFrequency);
        return new TokenizerJson(vocabulary, merges, specialTokens, endOfText, Optional.empty(), parts());
    }

    private static BpeMerges merges(List<String> vocabulary, WordTable counted) {
        Map<String, Integer> ids = new HashMap<>();
        for (int id = 0; id < vocabulary.size(); id++) {
            ids.put(vocabulary.get(id), id);
        }
        int[] byteIds = new int[256];
        for (int b = 0; b < byteIds.length; b++) {
            byteIds[b] = ids.get(String.valueOf(ByteSymbols.symbol(b)));
        }
        int[][] words = new int[counted.size()][];
        long[] counts = new long[words.length];
        for (int w = 0; w < words.length; w++) {
            byte[] bytes = counted.text(w).getBytes(StandardCharsets.UTF_8);
            int[] symbols = new int[bytes.length];
            for (int i = 0; i < bytes.length; i++) {
                symbols[i] = byteIds[bytes[i] & 0xff];
            }
            words[w] = symbols;
            counts[w] = counted.count(w);
        }
        return new BpeMerges(vocabulary, words, counts, "");
    }

    private static Map<String, Map<String, Object>> parts() {
        Map<String, Object> byteLevel = new LinkedHashMap<>();
        byteLevel.put("type", "ByteLevel");
        byteLevel.put("add_prefix_space", false);
        byteLevel.put("trim_offsets", true);
        byteLevel.put("use_regex", true);
        Map<String, Object> model = new LinkedHashMap<>();
        model.put("type", "BPE");
        model.put("dropout", null);
        model.put("unk_token", null);
        model.put("continuing_subword_prefix", null);
        model.put("end_of_word_suffix", null);
        model.put("fuse_unk", false);
        model.put("byte_fallback", false);
        model.put("ignore_merges", false);
        return Map.of("pre_tokenizer", byteLevel, "decoder", byteLevel, "model", model);
    }
}
