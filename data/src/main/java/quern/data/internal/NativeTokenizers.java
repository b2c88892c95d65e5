package quern.data.internal;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.lang.ref.Cleaner;
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

    private static int[] take(long encoding) {
        try {
            long[] ids = TokenizersLibrary.LIB.getTokenIds(encoding);
            int[] narrow = new int[ids.length];
            for (int i = 0; i < ids.length; i++) {
                narrow[i] = (int) ids[i];
            }
            return narrow;
        } finally {
            TokenizersLibrary.LIB.deleteEncoding(encoding);
        }
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
