/** BART. */
package quern.models.bart;
