package quern.data;

import java.util.List;
import java.util.stream.Stream;

/**
 * What one pass over a corpus met.
 *
 * @param documents documents read
 * @param emptyDocuments documents left out because they hold no text
 * @param characters Unicode code points
 * @param bytes bytes of the text in UTF-8
 * @param replacedSequences invalid byte sequences replaced by U+FFFD
 * @param rejectedRows rows left out because they are no conversation to learn from
 * @param rejections why: a line for each reason, with the number of rows and the place of the first
 */
public record DocumentReport(
        long documents,
        long emptyDocuments,
        long characters,
        long bytes,
        long replacedSequences,
        long rejectedRows,
        List<String> rejections) {
    /** Copies the reasons. */
    public DocumentReport {
        rejections = List.copyOf(rejections);
    }

    /** Both together. */
    DocumentReport plus(DocumentReport other) {
        return new DocumentReport(
                documents + other.documents,
                emptyDocuments + other.emptyDocuments,
                characters + other.characters,
                bytes + other.bytes,
                replacedSequences + other.replacedSequences,
                rejectedRows + other.rejectedRows,
                Stream.concat(rejections.stream(), other.rejections.stream()).toList());
    }
}
