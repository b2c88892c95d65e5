/** Phi-3. */
package quern.models.phi3;
