/** Gemma. */
package quern.models.gemma;
