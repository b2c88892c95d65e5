package quern.data;

import java.util.Iterator;
import java.util.stream.LongStream;
import quern.data.internal.GridEpisode;

/**
 * Episodes of an agent in a small grid with walls and coloured squares, one of which it is told to go to, which it does by a
 * shortest way: {@code go to the red square | .#R., A..., .G.#, ...B | up right right}. {@link AgentTokens} makes of each what an
 * agent sees and does. Episode number n is a pure function of (seed, n).
 */
public final class GridWorld {
    private final long seed;

    /** The episodes of one seed. */
    public GridWorld(long seed) {
        this.seed = seed;
    }

    /** Episode number {@code index}. */
    public String episode(long index) {
        return GridEpisode.of(seed, index).text();
    }

    /** The first {@code count} episodes. */
    public Iterator<String> iterator(int count) {
        return LongStream.range(0, count).mapToObj(this::episode).iterator();
    }
}
