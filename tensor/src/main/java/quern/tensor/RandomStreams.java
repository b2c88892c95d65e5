package quern.tensor;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/**
 * Random streams by name, all from one seed. Each stream ({@code "init"}, {@code "dropout"} of layer 3 at step 100) gets
 * its own 64-bit seed, a pure function of the run's seed, the name and the indices, so that one stream's use never moves
 * another and a recomputed segment can replay its own.
 *
 * <p>The name's UTF-8 bytes are absorbed eight at a time, then its length and the indices; each word and the
 * state it joins pass through the 64-bit finalizer of SplitMix64 with Stafford's constants (variant 13): every input bit
 * flips each output bit with a probability of one half. Seeds are spread, not secret. The values are part of
 * the format of a checkpoint: they never change.
 *
 * <p>Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014).
 */
public final class RandomStreams {
    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    private final long seed;

    /** The streams of a run's seed. */
    public RandomStreams(long seed) {
        this.seed = seed;
    }

    /** The run's seed. */
    public long seed() {
        return seed;
    }

    /**
     * The seed of a stream.
     *
     * @param name the stream's name; different names give unrelated streams
     * @param indices for instance layer and step; {@code seed("a")}, {@code seed("a", 0)} and {@code seed("a", 0, 0)}
     *     differ
     */
    public long seed(String name, long... indices) {
        Objects.requireNonNull(name, "name");
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        ByteBuffer words =
                ByteBuffer.allocate(Math.ceilDiv(bytes.length, 8) * 8).order(ByteOrder.LITTLE_ENDIAN);
        words.put(bytes).position(0);
        long hash = mix(seed + GOLDEN_GAMMA);
        while (words.hasRemaining()) {
            hash = absorb(hash, words.getLong());
        }
        // Lengths keep "a" from meeting "a\0", and a name from meeting an index of the same bits.
        hash = absorb(hash, ((long) bytes.length << 32) | indices.length);
        for (long index : indices) {
            hash = absorb(hash, index);
        }
        return hash;
    }

    /** The streams below one stream: {@code streams("rank", 3).seed("dropout")}. */
    public RandomStreams streams(String name, long... indices) {
        return new RandomStreams(seed(name, indices));
    }

    private static long absorb(long hash, long word) {
        // The rotation and the odd factor keep the two operands apart: seed 1 with word 2 must not equal seed 2 with
        // word 1.
        return mix((Long.rotateLeft(hash, 29) * 5 + GOLDEN_GAMMA) ^ mix(word + GOLDEN_GAMMA));
    }

    private static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
