package quern.data.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import quern.data.BpeTrainer;

/** The kinds of characters that decide where words end, held against the native library's regular expressions. */
class CharacterKindsTest {
    private static final int AT_ONCE = 1024;

    /** Tables of kinds are made of ranges, and would differ at the ends of one. */
    @Test
    void whereACategoryBeginsOrEndsWordsEndAsTheLibrarysDo() {
        compare(IntStream.range(1, Character.MAX_CODE_POINT)
                .filter(c -> c < 0x300
                        || Character.getType(c - 1) != Character.getType(c)
                        || Character.getType(c + 1) != Character.getType(c)));
    }

    @Test
    @Tag("nightly")
    void atEveryCharacterWordsEndAsTheLibrarysDo() {
        compare(IntStream.rangeClosed(1, Character.MAX_CODE_POINT));
    }

    private static void compare(IntStream codePoints) {
        String json =
                new BpeTrainer().train(List.of("a"), BpeTrainer.Config.of(257)).tokenizerJson();
        // Loads the library.
        NativeTokenizers.parse("tokenizer.json", json);
        long library = TokenizersLibrary.LIB.createTokenizerFromString(json);
        try {
            int[] all = codePoints
                    .filter(c -> c < Character.MIN_SURROGATE || c > Character.MAX_SURROGATE)
                    .toArray();
            for (int from = 0; from < all.length; from += AT_ONCE) {
                int to = Math.min(all.length, from + AT_ONCE);
                StringBuilder text = new StringBuilder();
                for (int i = from; i < to; i++) {
                    for (char before : new char[] {'a', '1', '!'}) {
                        text.append(before).appendCodePoint(all[i]);
                    }
                    text.append("\n");
                }
                assertEquals(
                        theirs(library, text.toString()),
                        ours(text.toString()),
                        "words of texts with U+%04X to U+%04X".formatted(all[from], all[to - 1]));
            }
        } finally {
            TokenizersLibrary.LIB.deleteTokenizer(library);
        }
    }

    /** First bytes of words; without merges every byte is a token. */
    private static List<Integer> theirs(long library, String text) {
        long encoding = TokenizersLibrary.LIB.encode(library, text, false);
        long[] words = TokenizersLibrary.LIB.getWordIds(encoding);
        TokenizersLibrary.LIB.deleteEncoding(encoding);
        List<Integer> begins = new ArrayList<>();
        for (int i = 0; i < words.length; i++) {
            if (i == 0 || words[i] != words[i - 1]) {
                begins.add(i);
            }
        }
        return begins;
    }

    private static List<Integer> ours(String text) {
        List<Integer> begins = new ArrayList<>();
        int[] bytes = {0};
        PreTokens.split(text, (all, from, to) -> {
            begins.add(bytes[0]);
            bytes[0] += all.subSequence(from, to).toString().getBytes(StandardCharsets.UTF_8).length;
        });
        return begins;
    }
}
