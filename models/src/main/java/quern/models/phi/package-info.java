/** Phi. */
package quern.models.phi;
