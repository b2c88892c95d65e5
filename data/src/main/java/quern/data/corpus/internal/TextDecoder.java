package quern.data.corpus.internal;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.IllegalCharsetNameException;
import java.nio.charset.StandardCharsets;
import java.nio.charset.UnsupportedCharsetException;
import java.util.Locale;
import java.util.Optional;
import org.mozilla.universalchardet.UniversalDetector;
import quern.data.corpus.Quarantine;

/**
 * Finds the character set of bytes and decodes them. In this order: a byte order mark; the declared set (of an HTTP header
 * or the page itself), if the bytes are valid in it; UTF-8, if they are valid; what a detector takes them for;
 * windows-1252. A declared single-byte Latin set gives way to UTF-8 where the bytes are valid UTF-8 with characters
 * beyond ASCII: that is next to impossible by chance, and such declarations are often left over. Names mean what the
 * WHATWG's Encoding Standard says, so {@code iso-8859-1} and {@code ascii} are windows-1252.
 */
public final class TextDecoder {
    private static final Charset WINDOWS_1252 = Charset.forName("windows-1252");
    private static final int DETECTED_BYTES = 1 << 16;

    /** Random bytes have one in nine in most character sets; pages have a stray one at most. */
    private static final int CHARACTERS_A_CONTROL = 100;

    private TextDecoder() {}

    /** Whether a decoded text holds so many control characters that it was none; then it is quarantined. */
    public static boolean isBinary(String place, String text, Quarantine quarantine) {
        long controls = text.chars()
                .filter(c -> Character.isISOControl(c) && !Character.isWhitespace(c))
                .count();
        if (controls * CHARACTERS_A_CONTROL <= text.length()) {
            return false;
        }
        quarantine.add(
                place,
                "binary",
                "%,d of %,d characters are control characters; expected text".formatted(controls, text.length()));
        return true;
    }

    /**
     * The text.
     *
     * @param declared the name of the character set, where the source says one
     * @param quarantine counts other sets than UTF-8 by name, and replaced sequences
     */
    public static String decode(byte[] bytes, Optional<String> declared, Quarantine quarantine) {
        int mark = 0;
        Charset charset = null;
        if (startsWith(bytes, 0xef, 0xbb, 0xbf)) {
            charset = StandardCharsets.UTF_8;
            mark = 3;
        } else if (startsWith(bytes, 0xff, 0xfe, 0, 0)) {
            charset = Charset.forName("UTF-32LE");
            mark = 4;
        } else if (startsWith(bytes, 0xff, 0xfe)) {
            charset = StandardCharsets.UTF_16LE;
            mark = 2;
        } else if (startsWith(bytes, 0xfe, 0xff)) {
            charset = StandardCharsets.UTF_16BE;
            mark = 2;
        }
        if (charset != null) {
            return replacing(bytes, mark, charset, quarantine);
        }
        Optional<Charset> named = declared.flatMap(TextDecoder::byName);
        String utf8 = exact(bytes, StandardCharsets.UTF_8);
        if (named.isPresent() && !named.get().equals(StandardCharsets.UTF_8)) {
            boolean latin = named.get().equals(WINDOWS_1252)
                    || named.get().name().startsWith("ISO-8859-")
                    || named.get().name().startsWith("windows-125");
            if (!(latin && utf8 != null)) {
                String text = exact(bytes, named.get());
                if (text != null) {
                    quarantine.count("decoded_" + named.get().name().toLowerCase(Locale.ROOT), 1);
                    return text;
                }
            }
        }
        if (utf8 != null) {
            return utf8;
        }
        if (named.isPresent() && named.get().equals(StandardCharsets.UTF_8) && mostlyUtf8(bytes)) {
            return replacing(bytes, 0, StandardCharsets.UTF_8, quarantine);
        }
        Charset detected = detect(bytes);
        if (detected.equals(StandardCharsets.UTF_8)) {
            return replacing(bytes, 0, detected, quarantine);
        }
        quarantine.count("decoded_" + detected.name().toLowerCase(Locale.ROOT), 1);
        return replacing(bytes, 0, detected, quarantine);
    }

    /** Whether so few sequences are invalid that a damaged UTF-8 text is likelier than another set. */
    private static boolean mostlyUtf8(byte[] bytes) {
        String text = new String(bytes, StandardCharsets.UTF_8);
        long replaced = text.chars().filter(c -> c == 0xfffd).count();
        long beyond = text.chars().filter(c -> c > 0x7f).count();
        return replaced * 4 <= beyond;
    }

    private static Charset detect(byte[] bytes) {
        UniversalDetector detector = new UniversalDetector();
        detector.handleData(bytes, 0, Math.min(bytes.length, DETECTED_BYTES));
        detector.dataEnd();
        String name = detector.getDetectedCharset();
        if (name != null && name.equalsIgnoreCase("MACCYRILLIC")) {
            // The detector's choice between the two is near to a coin's; the web has next to none of the former.
            name = "windows-1251";
        }
        return Optional.ofNullable(name)
                .flatMap(TextDecoder::byName)
                .orElseGet(() -> mostlyUtf8(bytes) ? StandardCharsets.UTF_8 : WINDOWS_1252);
    }

    /** The set that a name means on the web. */
    static Optional<Charset> byName(String name) {
        String plain = name.strip().toLowerCase(Locale.ROOT);
        switch (plain) {
            case "iso-8859-1", "latin1", "latin-1", "l1", "us-ascii", "ascii", "cp1252", "x-cp1252" -> {
                return Optional.of(WINDOWS_1252);
            }
            case "gb2312", "gbk", "x-gbk" -> {
                return Optional.of(Charset.forName("GB18030"));
            }
            case "shift_jis", "shift-jis", "sjis", "x-sjis" -> {
                return Optional.of(Charset.forName("windows-31j"));
            }
            case "utf8", "utf-8", "unicode-1-1-utf-8" -> {
                return Optional.of(StandardCharsets.UTF_8);
            }
            default -> {
                try {
                    Charset found = Charset.forName(plain);
                    // The web reads UTF-16 without a mark as little-endian; UTF-7 and the like it does not read at all.
                    return Optional.of(found.equals(StandardCharsets.UTF_16) ? StandardCharsets.UTF_16LE : found);
                } catch (IllegalCharsetNameException | UnsupportedCharsetException e) {
                    return Optional.empty();
                }
            }
        }
    }

    /** The text if every byte is valid; else null. */
    private static String exact(byte[] bytes, Charset charset) {
        try {
            return charset.newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT)
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            return null;
        }
    }

    private static String replacing(byte[] bytes, int from, Charset charset, Quarantine quarantine) {
        try {
            CharBuffer text = charset.newDecoder()
                    .onMalformedInput(CodingErrorAction.REPLACE)
                    .onUnmappableCharacter(CodingErrorAction.REPLACE)
                    .decode(ByteBuffer.wrap(bytes, from, bytes.length - from));
            quarantine.count(
                    "replaced_sequences", text.chars().filter(c -> c == 0xfffd).count());
            return text.toString();
        } catch (CharacterCodingException e) {
            throw new IllegalStateException("a decoder that replaces does not report", e);
        }
    }

    private static boolean startsWith(byte[] bytes, int... head) {
        if (bytes.length < head.length) {
            return false;
        }
        for (int i = 0; i < head.length; i++) {
            if ((bytes[i] & 0xff) != head[i]) {
                return false;
            }
        }
        return true;
    }
}
