/** BLOOM. */
package quern.models.bloom;
