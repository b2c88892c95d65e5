/** Attention, what stands in its place, what it sees and how it is computed. */
package quern.models.part.attention;
