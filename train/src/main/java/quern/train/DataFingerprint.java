package quern.train;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import quern.data.TokenStream;

/**
 * Tells one tokenized text from another without reading all of a large one: SHA-256 over the counts of each stream and
 * over evenly spread blocks of its tokens.
 */
final class DataFingerprint {
    private static final int BLOCK = 4096;
    private static final long BLOCKS = 1024;

    private DataFingerprint() {}

    /** The fingerprint of some streams in this order, in hexadecimal digits. */
    static String of(TokenStream... streams) {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
        for (TokenStream stream : streams) {
            ByteBuffer counts = ByteBuffer.allocate(3 * Long.BYTES);
            counts.putLong(stream.size()).putLong(stream.documents()).putLong(stream.textBytes());
            digest.update(counts.flip());
            long all = (stream.size() + BLOCK - 1) / BLOCK;
            long read = Math.min(all, BLOCKS);
            for (long i = 0; i < read; i++) {
                // The first and the last block are among them, and all of them when there are no more than BLOCKS.
                long block = read == 1 ? 0 : Math.round((double) i * (all - 1) / (read - 1));
                long from = block * BLOCK;
                int[] tokens = new int[(int) Math.min(BLOCK, stream.size() - from)];
                stream.read(from, tokens, 0, tokens.length);
                ByteBuffer bytes = ByteBuffer.allocate(tokens.length * Integer.BYTES);
                bytes.asIntBuffer().put(tokens);
                digest.update(bytes);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
