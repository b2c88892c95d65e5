package quern.data;

import java.util.Iterator;
import java.util.stream.LongStream;
import quern.data.internal.Scene;

/**
 * Captions of coloured shapes, such as {@code a small red circle in the top left on a white background}: the texts of
 * image-caption pairs that Quern can always train on, since {@link CaptionedImages} paints what a caption says.
 * Caption number n is a pure function of (seed, n).
 */
public final class Shapes {
    private final long seed;

    /** The captions of one seed. */
    public Shapes(long seed) {
        this.seed = seed;
    }

    /** Caption number {@code index}. */
    public String caption(long index) {
        return Scene.of(seed, index).caption();
    }

    /** The first {@code count} captions. */
    public Iterator<String> iterator(int count) {
        return LongStream.range(0, count).mapToObj(this::caption).iterator();
    }
}
