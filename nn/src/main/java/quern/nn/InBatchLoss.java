package quern.nn;

import java.util.List;

/**
 * The last segment of a network whose loss tells each row from all others, so that it is no sum over rows. All it reads and
 * writes but {@code loss} has rows first, and what several passes wrote for it, joined by rows, is what one pass over all their rows
 * would have written.
 */
public interface InBatchLoss {
    /** The names under which it reads what the segments before it made of the rows. */
    List<String> embeddings();
}
