package quern.data.corpus;

import java.util.List;
import java.util.Optional;

/**
 * What {@code quern data prepare} did; {@code report.json} holds it.
 *
 * @param key names the content: equal keys, equal documents
 * @param stages the reading, then the recipe's stages
 * @param shards of the documents, in order
 * @param documents in all shards
 * @param tokens where a tokenizer is named
 * @param seconds the whole took
 */
public record PrepareReport(
        String key,
        List<StageReport> stages,
        List<Shard> shards,
        long documents,
        Optional<Tokens> tokens,
        double seconds) {
    /**
     * A file of documents, a line of JSON each, under Zstandard.
     *
     * @param name below the prepared folder
     * @param documents lines
     * @param plainBytes its size without compression
     * @param bytes its size
     * @param sha256 of the file
     */
    public record Shard(String name, long documents, long plainBytes, long bytes, String sha256) {}

    /**
     * The corpus as tokens.
     *
     * @param train tokens that train, separators included
     * @param validation tokens that validate
     * @param vocabularySize of the tokenizer
     */
    public record Tokens(long train, long validation, int vocabularySize) {}
}
