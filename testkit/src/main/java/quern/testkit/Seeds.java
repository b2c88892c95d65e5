package quern.testkit;

import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * One seed a test run, drawn anew each time and printed, so that a failure that chance found can be replayed with
 * {@code -Dquern.seed=N}. Streams are derived by name and do not depend on the order of the tests.
 */
public final class Seeds {
    /** The system property that replays a run. */
    public static final String PROPERTY = "quern.seed";

    private static final long SEED = choose();

    private Seeds() {}

    /** The seed of this run. */
    public static long seed() {
        return SEED;
    }

    /** A random stream that depends on the run's seed and the name only; says on standard output how to replay it. */
    public static RandomGenerator stream(String name) {
        System.out.println("Random stream " + name + ": replay with -D" + PROPERTY + "=" + SEED);
        return new SplittableRandom(derive(SEED, name));
    }

    /** The seed of the stream with this name under a given run seed: FNV-1a over both, then a mixing step. */
    static long derive(long seed, String name) {
        long hash = 0xcbf29ce484222325L ^ seed;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ (b & 0xff)) * 0x100000001b3L;
        }
        return new SplittableRandom(hash).nextLong();
    }

    private static long choose() {
        String given = System.getProperty(PROPERTY);
        if (given == null) {
            return new SecureRandom().nextLong() & Long.MAX_VALUE;
        }
        try {
            return Long.parseLong(given.strip());
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(PROPERTY + " is \"" + given + "\"; a whole number is needed", e);
        }
    }
}
