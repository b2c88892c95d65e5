package quern.data.internal;

import java.nio.file.Path;

/** Where Quern keeps what it can make again. */
public final class CacheFolder {
    private CacheFolder() {}

    /** {@code $QUERN_CACHE}, else {@code ~/.cache/quern}. */
    public static Path locate() {
        String named = System.getenv("QUERN_CACHE");
        return named != null && !named.isBlank()
                ? Path.of(named)
                : Path.of(System.getProperty("user.home"), ".cache", "quern");
    }
}
