package quern.data.internal;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** Questions about UTF-8 and UTF-16 text. */
public final class Utf8 {
    private Utf8() {}

    /** Invalid sequences in a range of bytes, counted as decoding would replace them. */
    static long countInvalid(byte[] bytes, int from, int length) {
        CharsetDecoder decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        ByteBuffer in = ByteBuffer.wrap(bytes, from, length);
        CharBuffer out = CharBuffer.allocate(1024);
        long count = 0;
        while (true) {
            CoderResult result = decoder.decode(in, out, true);
            out.clear();
            if (result.isError()) {
                count++;
                in.position(in.position() + result.length());
            } else if (result.isUnderflow()) {
                return count;
            }
        }
    }

    /** Halves of surrogate pairs that stand alone. */
    public static int countLoneSurrogates(CharSequence text) {
        int count = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                count++;
            }
        }
        return count;
    }

    /** The text with U+FFFD for every half of a surrogate pair that stands alone. */
    public static String replaceLoneSurrogates(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints()
                .forEach(c ->
                        out.appendCodePoint(c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE ? 0xFFFD : c));
        return out.toString();
    }

    /** Bytes of a well-formed text in UTF-8. */
    public static long length(CharSequence text) {
        long bytes = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            // Each half of a surrogate pair counts for two of the pair's four bytes.
            bytes += c < 0x80 ? 1 : c < 0x800 || Character.isSurrogate(c) ? 2 : 3;
        }
        return bytes;
    }
}
