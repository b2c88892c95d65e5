package quern.data;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What became of documents that are longer than a row; of pairs of texts, where a row holds two.
 *
 * @param documents all documents
 * @param dropped those of them that are left out
 * @param truncated those that are cut
 * @param split those that became several
 * @param pieces how many those became
 * @param tokens of all documents
 * @param lostTokens those of them that are in no row
 */
public record TooLong(
        long documents, long dropped, long truncated, long split, long pieces, long tokens, long lostTokens) {
    /** How many were too long. */
    public long count() {
        return dropped + truncated + split;
    }

    /** Those of two corpora together. */
    public TooLong plus(TooLong other) {
        return new TooLong(
                documents + other.documents,
                dropped + other.dropped,
                truncated + other.truncated,
                split + other.split,
                pieces + other.pieces,
                tokens + other.tokens,
                lostTokens + other.lostTokens);
    }

    /** The counts under the names of training metrics; none where nothing was too long. */
    public Map<String, Double> metrics() {
        Map<String, Double> all = new LinkedHashMap<>();
        if (count() > 0) {
            all.put("data_too_long", (double) count());
            all.put("data_dropped", (double) dropped);
            all.put("data_truncated", (double) truncated);
            all.put("data_split", (double) split);
            all.put("data_lost_tokens", (double) lostTokens);
        }
        return all;
    }
}
