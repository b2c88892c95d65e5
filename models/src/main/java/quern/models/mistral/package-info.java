/** Mistral. */
package quern.models.mistral;
