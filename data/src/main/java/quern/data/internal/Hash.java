package quern.data.internal;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 over a sequence of fields, each with its length, so that no two sequences run together. */
public final class Hash {
    private final MessageDigest digest;

    /** An empty sequence. */
    public Hash() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Adds a field of bytes. */
    public Hash add(byte[] bytes) {
        int n = bytes.length;
        digest.update(new byte[] {(byte) (n >>> 24), (byte) (n >>> 16), (byte) (n >>> 8), (byte) n});
        digest.update(bytes);
        return this;
    }

    /** Adds the text of a value. */
    public Hash add(Object value) {
        return add(String.valueOf(value).getBytes(StandardCharsets.UTF_8));
    }

    /** Lower-case hexadecimal. */
    public String hex() {
        return HexFormat.of().formatHex(digest.digest());
    }
}
