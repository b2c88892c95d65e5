/** Core sets: which documents of a corpus to keep where not all can be. */
package quern.data.corpus.select;
