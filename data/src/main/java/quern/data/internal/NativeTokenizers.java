package quern.data.internal;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.lang.ref.Cleaner;
import java.util.List;
import quern.data.Tokenizer;
import quern.data.template.JinjaTemplate.Span;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/**
 * The native {@code tokenizers} library, called below DJL's convenience class: that class reports its use over the
 * network, truncates to 512 tokens and pads unless told otherwise, and copies every column of an encoding. The
 * library is unpacked into Quern's cache folder and never fetched.
 */
public final class NativeTokenizers {
    private static final Cleaner CLEANER = Cleaner.create();

    private final long handle;

    private NativeTokenizers(long handle) {
        this.handle = handle;
        CLEANER.register(this, () -> TokenizersLibrary.LIB.deleteTokenizer(handle));
    }

    /**
     * Parses a {@code tokenizer.json}.
     *
     * @param source named in errors
     */
    public static NativeTokenizers parse(String source, String json) {
        setIfAbsent("ai.djl.offline", "true");
        setIfAbsent("OPT_OUT_TRACKING", "true");
        // The library logs through SLF4J, whose notice about a missing provider would land in the output of every run.
        setIfAbsent("slf4j.internal.verbosity", "ERROR");
        if (System.getenv("ENGINE_CACHE_DIR") == null && System.getenv("DJL_CACHE_DIR") == null) {
            setIfAbsent(
                    "ENGINE_CACHE_DIR", CacheFolder.locate().resolve("native").toString());
        }
        try {
            LibUtils.checkStatus();
        } catch (RuntimeException | LinkageError e) {
            throw new QuernException(
                    ExitCode.FAILED,
                    "the native tokenizers library can not be loaded on this system (" + firstLine(e)
                            + "); Linux x86-64 and aarch64 with glibc are known to work",
                    e);
        }
        try {
            long handle = TokenizersLibrary.LIB.createTokenizerFromString(json);
            TokenizersLibrary.LIB.disablePadding(handle);
            TokenizersLibrary.LIB.disableTruncation(handle);
            return new NativeTokenizers(handle);
        } catch (RuntimeException e) {
            throw new QuernException(
                    ExitCode.FAILED,
                    "%s: not a usable tokenizer.json (%s); the file is corrupt or of a newer format"
                            .formatted(source, firstLine(e)),
                    e);
        }
    }

    private static void setIfAbsent(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }

    private static String firstLine(Throwable e) {
        return String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    }

    /** Token ids of one text. */
    public int[] encode(String text) {
        return take(TokenizersLibrary.LIB.encode(handle, text, false));
    }

    /** Token ids of each text, on all cores. */
    public int[][] encodeAll(String[] texts) {
        long[] encodings = TokenizersLibrary.LIB.batchEncode(handle, texts, false);
        int[][] ids = new int[encodings.length][];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = take(encodings[i]);
        }
        return ids;
    }

    /** The ids of a text, and the tokens that have a share in its parts. */
    public Tokenizer.Marked encodeMarked(String text, List<Span> parts) {
        long encoding = TokenizersLibrary.LIB.encode(handle, text, false);
        try {
            CharSpan[] places = TokenizersLibrary.LIB.getTokenCharSpans(encoding);
            int[] ids = ids(encoding);
            int[] ranges = new int[2 * parts.size()];
            int token = 0;
            int points = 0;
            int at = 0;
            for (int i = 0; i < parts.size(); i++) {
                points += text.codePointCount(at, parts.get(i).from());
                int from = points;
                points += text.codePointCount(parts.get(i).from(), parts.get(i).to());
                at = parts.get(i).to();
                while (token < ids.length && end(places[token]) <= from) {
                    token++;
                }
                ranges[2 * i] = token;
                while (token < ids.length && start(places[token]) < points) {
                    token++;
                }
                ranges[2 * i + 1] = token;
            }
            return new Tokenizer.Marked(ids, ranges);
        } finally {
            TokenizersLibrary.LIB.deleteEncoding(encoding);
            java.lang.ref.Reference.reachabilityFence(this);
        }
    }

    /** A token without a place, as a normalizer may make one, belongs where the one before it does. */
    private static int start(CharSpan place) {
        return place == null ? -1 : place.getStart();
    }

    private static int end(CharSpan place) {
        return place == null ? -1 : place.getEnd();
    }

    private static int[] take(long encoding) {
        try {
            return ids(encoding);
        } finally {
            TokenizersLibrary.LIB.deleteEncoding(encoding);
        }
    }

    private static int[] ids(long encoding) {
        long[] ids = TokenizersLibrary.LIB.getTokenIds(encoding);
        int[] narrow = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            narrow[i] = (int) ids[i];
        }
        return narrow;
    }

    /** The text of the ids, special tokens included. */
    public String decode(int[] ids, int from, int to) {
        long[] wide = new long[to - from];
        for (int i = 0; i < wide.length; i++) {
            wide[i] = ids[from + i];
        }
        String text = TokenizersLibrary.LIB.decode(handle, wide, false);
        java.lang.ref.Reference.reachabilityFence(this);
        return text;
    }
}
