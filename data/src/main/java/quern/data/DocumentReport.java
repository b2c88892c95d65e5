package quern.data;

/**
 * What one pass over a corpus met.
 *
 * @param documents documents read
 * @param emptyDocuments documents left out because they hold no text
 * @param characters Unicode code points
 * @param bytes bytes of the text in UTF-8
 * @param replacedSequences invalid byte sequences replaced by U+FFFD
 */
public record DocumentReport(
        long documents, long emptyDocuments, long characters, long bytes, long replacedSequences) {
    /** Both together. */
    DocumentReport plus(DocumentReport other) {
        return new DocumentReport(
                documents + other.documents,
                emptyDocuments + other.emptyDocuments,
                characters + other.characters,
                bytes + other.bytes,
                replacedSequences + other.replacedSequences);
    }
}
