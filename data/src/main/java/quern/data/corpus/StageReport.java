package quern.data.corpus;

import java.util.List;
import java.util.Map;

/**
 * What a stage did to the corpus.
 *
 * @param type the id of the technique; {@code read} for the sources together
 * @param documentsIn documents that came; of {@code read}, records
 * @param documentsOut documents that stayed
 * @param charactersIn UTF-16 units of text that came
 * @param charactersOut UTF-16 units of text that stayed
 * @param bytesIn bytes that were read: of files for {@code read}, of text in UTF-8 for others
 * @param bytesOut bytes of text in UTF-8 that stayed
 * @param dropped documents by the reason for which they left
 * @param changed what was changed or mended, by name, and how often
 * @param examples a few documents of each reason, in corpus order
 * @param quarantined records that could not be read, by reason
 * @param quarantine a few of each reason
 * @param lengths documents that stayed, by the largest power of two that is at most their length in characters
 * @param languages documents that stayed by their label {@code language}
 * @param totals of a removal of duplicates, by name
 * @param clusters some of its clusters, the largest first
 * @param seconds the work took; 0 where all of it was cached
 * @param cached whether all of it was there from before
 */
public record StageReport(
        String type,
        long documentsIn,
        long documentsOut,
        long charactersIn,
        long charactersOut,
        long bytesIn,
        long bytesOut,
        Map<String, Long> dropped,
        Map<String, Long> changed,
        Map<String, List<Example>> examples,
        Map<String, Long> quarantined,
        Map<String, List<Example>> quarantine,
        Map<Long, Long> lengths,
        Map<String, Long> languages,
        Map<String, Long> totals,
        List<Deduplication.Cluster> clusters,
        double seconds,
        boolean cached) {
    /**
     * A document or a record that was dropped.
     *
     * @param place its id, or its file and line
     * @param detail what was found
     * @param text how it begins
     */
    public record Example(String place, String detail, String text) {}
}
