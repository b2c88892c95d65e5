/**
 * Finding documents, or lines of documents, that are there more than once: whole texts by 128-bit hashes, near-duplicates
 * by MinHash signatures, bands and verified Jaccard similarity. The cores (shingles, signatures, bands, similarity) are
 * plain functions that keep nothing from one document to the next; one machine and a cluster run the same ones.
 */
package quern.data.dedup;
