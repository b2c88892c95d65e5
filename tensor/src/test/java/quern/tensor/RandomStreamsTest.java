package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class RandomStreamsTest {
    @Test
    void nearInputsNeverMeet() {
        Set<Long> seen = new HashSet<>();
        int made = 0;
        for (long seed = 0; seed < 20; seed++) {
            RandomStreams streams = new RandomStreams(seed);
            for (String name :
                    new String[] {"", "a", "a\0", "b", "data", "dropout", "dropout/1", "12345678", "123456780"}) {
                seen.add(streams.seed(name));
                made++;
                for (long i = 0; i < 30; i++) {
                    seen.add(streams.seed(name, i));
                    made++;
                    for (long j = 0; j < 30; j++) {
                        seen.add(streams.seed(name, i, j));
                        made++;
                    }
                }
            }
        }
        assertEquals(made, seen.size());
    }

    /** The expected values come from a separate implementation of the description. */
    @Test
    void theValuesNeverChange() {
        assertEquals(0xd81e6e0e87aade5cL, new RandomStreams(1).seed("init"));
        assertEquals(0xda1c53bc08ae93c3L, new RandomStreams(1).seed("dropout", 3, 100));
        assertEquals(0x5ba10d1be6ec4858L, new RandomStreams(-7).seed("Übung mit langem Namen", -1));
    }

    @Property(tries = 200)
    void oneSeedGivesOneStream(@ForAll long seed, @ForAll String name, @ForAll long index) {
        assertEquals(new RandomStreams(seed).seed(name, index), new RandomStreams(seed).seed(name, index));
        assertNotEquals(new RandomStreams(seed).seed(name, index), new RandomStreams(seed + 1).seed(name, index));
        assertEquals(
                new RandomStreams(new RandomStreams(seed).seed(name, index)).seed("x"),
                new RandomStreams(seed).streams(name, index).seed("x"));
    }

    @Test
    void everyInputBitMovesHalfTheOutput() {
        // 4096 trials of 64 bits: the mean of flipped bits is 32 with a deviation of 4 / sqrt(4096) = 0.0625; five of
        // them.
        double tolerance = 0.3125;
        for (int bit = 0; bit < 64; bit++) {
            long bySeed = 0;
            long byIndex = 0;
            for (int trial = 0; trial < 4096; trial++) {
                long flipped = trial ^ (1L << bit);
                bySeed += Long.bitCount(
                        new RandomStreams(trial).seed("init", 3) ^ new RandomStreams(flipped).seed("init", 3));
                byIndex += Long.bitCount(
                        new RandomStreams(9).seed("init", trial) ^ new RandomStreams(9).seed("init", flipped));
            }
            assertTrue(Math.abs(bySeed / 4096.0 - 32) < tolerance, "seed bit " + bit + ": " + bySeed / 4096.0);
            assertTrue(Math.abs(byIndex / 4096.0 - 32) < tolerance, "index bit " + bit + ": " + byIndex / 4096.0);
        }
    }
}
