/** Readers of the formats that corpora come in. */
package quern.data.corpus.source;
