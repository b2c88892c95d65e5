/** Normalisations. */
package quern.models.part.norm;
