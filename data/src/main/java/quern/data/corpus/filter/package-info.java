/** Rules that keep, drop or rewrite the documents of a corpus. */
package quern.data.corpus.filter;
