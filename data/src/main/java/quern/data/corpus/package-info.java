/**
 * From raw files to clean text: readers of the formats that corpora come in, filters, removal of duplicates, and the engine
 * of {@code quern data prepare} that runs them.
 */
package quern.data.corpus;
