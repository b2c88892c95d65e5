/** Gemma 2. */
package quern.models.gemma2;
