package quern.data;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;

/** What the trainers' settings have in common. */
final class TokenizerSettings {
    private TokenizerSettings() {}

    /** Refuses special tokens that are listed twice or empty, and a vocabulary without room for more than them. */
    static void check(int vocabSize, long minFrequency, List<String> specialTokens) {
        checkSpecial(specialTokens);
        if (vocabSize <= specialTokens.size()) {
            throw new IllegalArgumentException("vocab_size: " + vocabSize + " leaves no room beside the "
                    + specialTokens.size() + " special tokens");
        }
        if (minFrequency < 0) {
            throw new IllegalArgumentException("min_frequency: " + minFrequency + " is below 0");
        }
    }

    /** Refuses special tokens that are listed twice or empty. */
    static void checkSpecial(List<String> specialTokens) {
        if (new LinkedHashSet<>(specialTokens).size() != specialTokens.size()) {
            throw new IllegalArgumentException("special_tokens: a token is listed twice in " + specialTokens);
        }
        if (specialTokens.contains("")) {
            throw new IllegalArgumentException("special_tokens: a token is empty");
        }
    }

    /** The special tokens with the unknown token, which comes first unless it is among them. */
    static List<String> withUnknown(List<String> specialTokens, String unknown) {
        if (unknown.isEmpty()) {
            throw new IllegalArgumentException("unk_token: the token is empty");
        }
        if (specialTokens.contains(unknown)) {
            return List.copyOf(specialTokens);
        }
        List<String> all = new ArrayList<>();
        all.add(unknown);
        all.addAll(specialTokens);
        return List.copyOf(all);
    }

    /** The token that ends a document, where one of the special tokens has such a name. */
    static Optional<String> endOfText(List<String> specialTokens) {
        return BpeTrainer.END_OF_TEXT_NAMES.stream()
                .filter(specialTokens::contains)
                .findFirst();
    }
}
